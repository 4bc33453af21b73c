// Retries, timeouts and faults of the network.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client, ConnectionFailed, UnexpectedResponse } from 'otpvoice-client'
import { VerificationClient } from 'otpvoice-client/app'
import { cutResponse, forward, loseResponse, neverRespond, respond, startProxy } from './faulty-proxy.js'
import {
  accessTo, apiKey, client, mistyped, newNumber, requestedCalls, spokenCode, until,
} from './service.js'

const AWAY = { code: 'store_unavailable', title: 'No', detail: 'No.', status: 503, retry_after: 1 }

for (const [fault, lose] of Object.entries({ loseResponse, cutResponse, neverRespond })) {
  test(`${fault}: the retried create has one key and places one call`, async (context) => {
    const proxy = await startProxy(context, lose)
    const to = newNumber()
    const options = { attemptTimeoutMs: 2_000, timeoutMs: 60_000 }
    const { id } = await new Client(proxy.url, apiKey, options).create({ to })
    const code = await spokenCode(to)
    assert.equal((await client.check(id, code)).valid, true)
    const keys = proxy.requests.map(({ headers }) => headers['idempotency-key'])
    assert.ok(keys.length >= 2)
    assert.equal(new Set(keys).size, 1)
    assert.equal((await requestedCalls(to)).length, 1)
  })
}

test('a lost response to a check is not counted twice, and keeps its receipt', async (context) => {
  const proxy = await startProxy(context, loseResponse, forward, loseResponse)
  const through = new Client(proxy.url, apiKey)
  const to = newNumber()
  const { id } = await client.create({ to, code: '482913', call_after: 200 })
  assert.equal((await through.check(id, mistyped('482913'))).checks_left, 4)
  const right = await through.check(id, '482913')
  assert.deepEqual([right.valid, typeof right.receipt], [true, 'string'])
})

test('the own key of the caller is sent', async (context) => {
  const proxy = await startProxy(context)
  const through = new Client(proxy.url, apiKey)
  const to = newNumber()
  const options = { idempotencyKey: 'order-17' }
  const first = await through.create({ to, call_after: 200 }, options)
  const second = await through.create({ to, call_after: 200 }, options)
  assert.equal(second.id, first.id)
  assert.equal(proxy.requests[1]?.headers['idempotency-key'], 'order-17')
})

test('Retry-After of a 503 is respected', async (context) => {
  const proxy = await startProxy(context, respond(503, AWAY, { 'Retry-After': '1' }))
  const { id } = await client.create({ to: newNumber(), call_after: 200 })
  await new Client(proxy.url, apiKey).get(id)
  const [first, second] = proxy.requests
  assert.ok(second.at - first.at >= 1000)
})

test('a Retry-After that does not fit into the timeout rejects at once', async (context) => {
  const proxy = await startProxy(context, respond(503, { ...AWAY, retry_after: 30 }))
  const rejected = new Client(proxy.url, apiKey).get('vrf_1')
  await assert.rejects(rejected, { code: 'store_unavailable', retryAfter: 30, isRetryable: true })
  assert.equal(proxy.requests.length, 1)
})

test('the third failure is final', async (context) => {
  const faults = Array.from({ length: 3 }, () => respond(502))
  const proxy = await startProxy(context, ...faults)
  await assert.rejects(new Client(proxy.url, apiKey).get('vrf_1'), ConnectionFailed)
  assert.equal(proxy.requests.length, 3)
})

test('the timeout bounds all attempts together', async (context) => {
  const proxy = await startProxy(context, neverRespond, neverRespond, neverRespond)
  const { id } = await client.create({ to: newNumber(), call_after: 200 })
  const hasty = new Client(proxy.url, apiKey, { timeoutMs: 300, attemptTimeoutMs: 300 })
  await assert.rejects(hasty.get(id), ConnectionFailed)
  assert.ok(proxy.requests.length <= 2)
})

for (const [what, fault] of Object.entries({
  'a refusal': respond(429, { ...AWAY, status: 429, code: 'rate_limited' }),
  'another page': respond(200, '<html>'),
  'a redirect': respond(307, '', { Location: 'http://127.0.0.1:1/' }),
})) {
  test(`${what} is not retried`, async (context) => {
    const proxy = await startProxy(context, fault)
    const rejected = new Client(proxy.url, apiKey).create({ to: newNumber() })
    await assert.rejects(rejected, what === 'a refusal' ? { retryAfter: 1 } : UnexpectedResponse)
    assert.equal(proxy.requests.length, 1)
  })
}

test('a watch outlives polls that fail', async (context) => {
  const failed = Array.from({ length: 3 }, () => respond(502))
  const proxy = await startProxy(context, ...failed)
  const created = await client.create({ to: newNumber(), call_after: 200 })
  const states = new VerificationClient(accessTo(created, proxy.url)).watch()
  assert.equal((await states.next()).value?.status, 'pending')
  await client.cancel(created.id)
  const seen = await until('the end', async () => (await states.next()).value?.status)
  assert.equal(seen, 'canceled')
  assert.equal((await states.next()).done, true)
})

test('a watch ends with an error that no further poll can change', async (context) => {
  const proxy = await startProxy(context, respond(401, { ...AWAY, status: 401, code: 'token_expired' }))
  const access = accessTo({ id: 'vrf_1', client_token: 'vct_1' }, proxy.url)
  await assert.rejects(new VerificationClient(access).watch().next(), { code: 'token_expired' })
})

test('a request that is aborted during a delay stops at once', async (context) => {
  const proxy = await startProxy(context, respond(503, { ...AWAY, retry_after: 5 }))
  const controller = new AbortController()
  const patient = new Client(proxy.url, apiKey, { timeoutMs: 60_000 })
  const rejected = assert.rejects(patient.get('vrf_1', controller), { name: 'AbortError' })
  await until('the first attempt', () => proxy.requests.length === 1)
  controller.abort()
  await rejected
  assert.equal(proxy.requests.length, 1)
})
