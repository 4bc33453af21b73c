// Evaluates expressions with the exports of a module (m), an input, and a recorder of the calls that
// the module makes on its arguments. Each line of stdin is a question as JSON, and each line of
// stdout its answer: {result, calls} or {error, calls}. Each question loads its module afresh.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

async function answer({ module, expression, input, variables }, number) {
  const calls = [];
  const record = (name) => async (...args) => {
    calls.push([name, ...args]);
    return `${name} was called`;
  };
  Object.assign(process.env, variables);
  const loaded = await import(`${pathToFileURL(module)}?${number}`);
  try {
    const run = new Function("m", "input", "record", `return (async () => ${expression})()`);
    const result = await run({ ...loaded.default, ...loaded }, input, record);
    return { result, calls };
  } catch (error) {
    return { error: error.message, calls };
  } finally {
    for (const name in variables) delete process.env[name];
  }
}

let number = 0;
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line), number++)));
}
