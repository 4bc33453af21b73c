// Use Twilio Verify with Twilio's SDK for Node, as an application does.
"use strict";

const assert = require("node:assert/strict");
const twilio = require(process.env.TWILIO_PACKAGE);
const { version } = require(`${process.env.TWILIO_PACKAGE}/package.json`);
const { spokenCode } = require("./phones.cjs");

const { OTPVOICE_URL, OTPVOICE_API_KEY, OTPVOICE_SLOW_KEY } = process.env;
const ACCOUNT = "AC" + "1".repeat(32);
const SERVICE = "VA" + "2".repeat(32);
const UNKNOWN = "VE" + "0".repeat(32);

let nextNumber = Number(process.env.FIRST_NUMBER);
const newNumber = () => `+${nextNumber++}`;

/** Return Twilio Verify, with the one line that moves it. */
function connect(key = OTPVOICE_API_KEY) {
  const client = twilio(ACCOUNT, key);
  client.verify.baseUrl = `${OTPVOICE_URL}/twilio`;
  return client.verify.v2;
}

const verify = connect();
const { verifications, verificationChecks } = verify.services(SERVICE);
const create = (to, options) => verifications.create({ to, channel: "call", ...options });

/** Assert that a request is rejected with the SDK's usual exception. */
async function assertRefused(status, code, request, hasRetryTime = false) {
  await assert.rejects(request, (error) => {
    assert.deepEqual([error.constructor.name, error.status, error.code], ["RestException", status, code]);
    assert.match(error.details.request_id, /^[0-9a-f]{32}$/);
    assert.equal("retry_after" in error.details, hasRetryTime);
    assert.ok(!hasRetryTime || (error.details.retry_after > 0 && error.details.limit));
    return true;
  });
}

async function verifyByNumber() {
  const number = newNumber();
  const created = await create(number, { locale: "hi", customFriendlyName: "Asha" });
  assert.deepEqual([created.status, created.valid, created.to], ["pending", false, number]);
  assert.ok(created.dateCreated instanceof Date && !Number.isNaN(created.dateCreated.getTime()));
  assert.equal((await create(number)).sid, created.sid);
  const code = await spokenCode(number);
  assert.equal((await verifications(number).fetch()).sid, created.sid);
  const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, "0");
  assert.equal((await verificationChecks.create({ to: number, code: wrong })).status, "pending");
  const checked = await verificationChecks.create({ to: number, code });
  assert.deepEqual([checked.sid, checked.status, checked.valid], [created.sid, "approved", true]);
  await assertRefused(404, 20404, () => verificationChecks.create({ to: number, code }));

  const [attempt] = await verify.verificationAttempts.list({ "channelData.to": number });
  assert.deepEqual([attempt.verificationSid, attempt.conversionStatus], [created.sid, "converted"]);
  const summary = await verify.verificationAttemptsSummary().fetch({ destinationPrefix: number });
  assert.deepEqual([summary.totalAttempts, summary.conversionRatePercentage], [1, "100.00"]);
}

async function endVerifications() {
  for (const status of ["canceled", "approved"]) {
    for (const byNumber of [true, false]) {
      const number = newNumber();
      const created = await create(number, { customCode: "471102" });
      const name = byNumber ? number : created.sid;
      assert.equal((await verifications(name).update({ status })).status, status);
      await assertRefused(404, 20404, () => verifications(created.sid).fetch());
    }
  }
}

async function authorisePayment() {
  const number = newNumber();
  const payment = { amount: "€39.99", payee: "ACME Inc." };
  const created = await create(number, { customCode: "471102", ...payment });
  assert.deepEqual([created.amount, created.payee], ["39.99 EUR", "ACME Inc."]);
  const check = (options) => verificationChecks.create({ to: number, code: "471102", ...options });
  assert.equal((await check({ ...payment, amount: "€399.90" })).status, "pending");
  assert.equal((await check(payment)).status, "approved");
}

async function guess() {
  const { sid: verificationSid } = await create(newNumber(), { customCode: "471102" });
  for (let n = 0; n < 5; n++) {
    const guessed = await verificationChecks.create({ verificationSid, code: `99999${n}` });
    assert.deepEqual([guessed.status, guessed.valid], ["pending", false]);
  }
  await assertRefused(429, 60202, () => verificationChecks.create({ verificationSid, code: "471102" }));
}

async function beRefused() {
  const number = newNumber();
  await assertRefused(400, 60200, () => create("+91"));
  await assertRefused(400, 60200, () => create(number, { channel: "sms" }));
  await assertRefused(400, 60206, () => create(number, { amount: "€39.99" }));
  await assertRefused(400, 60200, () => create(number, { amount: "39.99", payee: "ACME" }));
  await assertRefused(403, 60605, () => create("+12125550123"));
  await assertRefused(404, 20404, () => verifications(UNKNOWN).fetch());
  await assertRefused(404, 20404, () => verify.services(SERVICE).fetch());
  await assertRefused(400, 60200, () => verify.verificationAttemptsSummary().fetch());
  const stranger = connect("ovk_unknown").services(SERVICE).verifications;
  await assertRefused(401, 20003, () => stranger.create({ to: number, channel: "call" }));
  const slow = connect(OTPVOICE_SLOW_KEY).services(SERVICE).verifications;
  await slow.create({ to: newNumber(), channel: "call" }).catch(() => {});
  await assertRefused(429, 60203, () => slow.create({ to: newNumber(), channel: "call" }), true);
}

(async () => {
  await verifyByNumber();
  await endVerifications();
  await authorisePayment();
  await guess();
  await beRefused();
  console.log(`twilio ${version} passed`);
})();
