// Evaluates an expression with the exports of a module (m), an input from stdin, and a recorder of
// the calls that the module makes on its arguments. Prints {result, calls} or {error} as JSON.
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const [path, expression] = process.argv.slice(2);
const calls = [];
const record = (name) => async (...args) => {
  calls.push([name, ...args]);
  return `${name} was called`;
};
const loaded = await import(pathToFileURL(path));
const input = JSON.parse(await text(process.stdin));
try {
  const run = new Function("m", "input", "record", `return (async () => ${expression})()`);
  const result = await run({ ...loaded.default, ...loaded }, input, record);
  console.log(JSON.stringify({ result, calls }));
} catch (error) {
  console.log(JSON.stringify({ error: error.message, calls }));
}
