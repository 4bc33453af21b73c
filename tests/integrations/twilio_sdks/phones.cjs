// The sandbox's phones.
"use strict";

const { setTimeout } = require("node:timers/promises");

const TIMEOUT_MS = 60_000;

/** Wait for the newest call of a phone, and return the code that it heard. */
async function spokenCode(number) {
  for (const began = Date.now(); Date.now() < began + TIMEOUT_MS; await setTimeout(50)) {
    const calls = await (await fetch(`${process.env.SANDBOX_URL}/phones/${number.slice(1)}/calls`)).json();
    const spoken = calls.map((call) => call.spoken).filter(Boolean);
    if (spoken.length) return spoken.at(-1).replace(/\D/g, "");
  }
  throw new Error("no call");
}

module.exports = { spokenCode };
