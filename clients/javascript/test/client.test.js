// The requests of a login backend and of an app.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { ApiError, Client, ConnectionFailed, UnexpectedResponse } from 'otpvoice-client'
import { VerificationClient, asciiDigits } from 'otpvoice-client/app'
import { textsFor } from 'otpvoice-client/texts'
import {
  accessTo, apiKey, client, mistyped, newNumber, requestedCalls, spokenCode, url,
} from './service.js'

const CODE = '482913'

test('a backend verifies a number with the code of the call', async () => {
  const number = newNumber()
  const { id, status, to, client_token } = await client.create({ to: number, name: 'Asha', locale: 'hi' })
  assert.deepEqual([status, to, client_token.startsWith('vct_')], ['pending', number, true])
  const code = await spokenCode(number)
  const wrong = await client.check(id, mistyped(code))
  assert.deepEqual([wrong.valid, wrong.checks_left, wrong.receipt], [false, 4, undefined])
  const right = await client.check(id, code)
  assert.deepEqual([right.valid, right.status], [true, 'approved'])
  assert.equal(right.receipt?.split('.').length, 3)
  assert.equal((await client.get(id)).status, 'approved')
})

test('the same reference returns the same verification', async () => {
  const to = newNumber()
  const first = await client.create({ to, code: CODE, reference: 'login-81' })
  const second = await client.create({ to, code: CODE, reference: 'login-81' })
  const other = await client.create({ to, code: CODE, reference: 'login-82' })
  assert.equal(second.id, first.id)
  assert.notEqual(other.id, first.id)
})

test('call brings a delayed call forward, cancel and approve end a verification', async () => {
  const number = newNumber()
  const { id } = await client.create({ to: number, code: CODE, call_after: 200 })
  await client.call(id, { locale: 'hi' })
  assert.equal(await spokenCode(number), CODE)
  assert.equal((await client.approve(id)).status, 'approved')
  const other = await client.create({ to: newNumber(), call_after: 200 })
  assert.equal((await client.cancel(other.id)).calls.at(-1)?.status, 'canceled')
  await assert.rejects(client.approve(other.id), (error) => {
    assert.ok(error instanceof ApiError)
    assert.deepEqual([error.code, error.status], ['verification_closed', 409])
    assert.equal(error.verification?.status, 'canceled')
    return true
  })
})

test('a caller that keeps no id names the number', async () => {
  const to = newNumber()
  const { id } = await client.create({ to, code: CODE, call_after: 200, reference: 'login-83' })
  assert.equal((await client.lookUp({ to })).id, id)
  assert.equal((await client.checkByNumber({ to, code: mistyped(CODE) })).valid, false)
  const right = await client.checkByNumber({ to, code: CODE, reference: 'login-83' })
  assert.deepEqual([right.valid, right.id], [true, id])
  await assert.rejects(client.lookUp({ to, reference: 'other' }), { code: 'not_found' })
  const sms = await client.create({ to, code: CODE, call_after: 200, reference: 'login-84' })
  assert.deepEqual((await client.approveByNumber({ to })).id, sms.id)
})

test('a payment is authorised with its transaction only', async () => {
  const to = newNumber()
  const transaction = { amount: '2500.00', currency: 'INR', payee: 'ACME Stores' }
  const other = { ...transaction, amount: '2500.01' }
  const created = await client.create({ to, code: CODE, call_after: 200, transaction })
  assert.deepEqual(created.transaction, transaction)
  assert.equal((await client.check(created.id, CODE)).valid, false)
  assert.equal((await client.checkByNumber({ to, code: CODE, transaction: other })).checks_left, 3)
  assert.equal((await new VerificationClient(accessTo(created)).check(CODE)).valid, false)
  const app = new VerificationClient({ ...accessTo(created), transaction })
  assert.deepEqual((await app.check(CODE)).transaction, transaction)
  const newer = await client.create({ to, code: CODE, call_after: 200, transaction })
  const options = { transaction: { ...transaction, amount: '2500' }, idempotencyKey: 'payment-7' }
  for (const _ of [1, 2]) assert.equal((await client.check(newer.id, CODE, options)).valid, true)
})

test('an error is a problem document without the number', async () => {
  await assert.rejects(client.create({ to: '+9112345' }), (error) => {
    assert.ok(error instanceof ApiError)
    assert.deepEqual([error.code, error.status, error.isRetryable], ['invalid_number', 422, false])
    assert.equal(error.message, error.detail)
    assert.match(error.requestId ?? '', /^[A-Za-z0-9-]+$/)
    assert.doesNotMatch(inspect(error), /9112345|ovk_/)
    return true
  })
  await assert.rejects(client.create({ to: newNumber(), ttl: 5 }), (error) => {
    assert.deepEqual(error.errors.map(({ pointer }) => pointer), ['/ttl'])
    return error.code === 'invalid_request'
  })
  await assert.rejects(client.get(`vrf_${'0'.repeat(32)}`), { code: 'not_found', status: 404 })
  await assert.rejects(new Client(url, 'ovk_unknown').get('x'), { code: 'unauthorized' })
})

test('an app follows its verification and gets the receipt', async () => {
  const number = newNumber()
  const created = await client.create({ to: number })
  const app = new VerificationClient(accessTo(created))
  const code = await spokenCode(number)
  const statuses = new Set()
  for await (const state of app.watch()) {
    assert.equal(state.to, `+91******${number.slice(-4)}`)
    statuses.add(state.calls.at(-1)?.status)
    if (state.status !== 'pending') break
    if (state.calls.at(-1)?.status !== 'answered') continue
    assert.equal((await app.check(mistyped(code))).valid, false)
    assert.ok((await app.check(code)).receipt)
  }
  assert.ok(statuses.has('answered'))
  assert.equal((await app.get()).status, 'approved')
  await assert.rejects(app.cancel(), { code: 'verification_closed' })
})

test('a token opens one verification only', async () => {
  const [one, other] = [
    await client.create({ to: newNumber(), call_after: 200 }),
    await client.create({ to: newNumber(), call_after: 200 }),
  ]
  const access = { ...accessTo(one), client_token: other.client_token }
  await assert.rejects(new VerificationClient(access).get(), { code: 'not_found' })
  assert.equal((await new VerificationClient(accessTo(one)).call()).status, 'pending')
  assert.equal((await new VerificationClient(accessTo(other)).cancel()).status, 'canceled')
})

test('a watch ends when its signal is aborted', async () => {
  const { id } = await client.create({ to: newNumber(), call_after: 200 })
  const controller = new AbortController()
  let states = 0
  for await (const state of client.watch(id, { signal: controller.signal })) {
    assert.equal(state.id, id)
    states++
    controller.abort()
  }
  assert.equal(states, 1)
})

test('an aborted request rejects with the reason of its signal', async () => {
  const to = newNumber()
  const signal = AbortSignal.abort(new Error('the user left'))
  await assert.rejects(client.create({ to }, { signal }), { message: 'the user left' })
  assert.deepEqual(await requestedCalls(to), [])
})

test('impossible arguments are refused before a request', async () => {
  assert.throws(() => new Client('otp.example.com', apiKey), TypeError)
  assert.throws(() => new Client(url, 'a key'), TypeError)
  assert.throws(() => new Client(url, ''), TypeError)
  await assert.rejects(client.create({ to: newNumber() }, { idempotencyKey: '' }), TypeError)
  for (const id of ['', '.', '..', undefined]) await assert.rejects(client.check(id, CODE), TypeError)
})

test('another server is an unexpected response, none is a failed connection', async () => {
  const sandbox = new Client(process.env.SANDBOX_URL ?? '', apiKey)
  await assert.rejects(sandbox.get('vrf_1'), UnexpectedResponse)
  const nobody = new Client('http://127.0.0.1:1', apiKey, { timeoutMs: 200 })
  await assert.rejects(nobody.get('vrf_1'), ConnectionFailed)
})

test('nothing that is printed contains the key', () => {
  assert.doesNotMatch(inspect(client, { depth: 9, showHidden: true }), new RegExp(apiKey))
})

test('digits of every script and pasted groups become ASCII digits', () => {
  for (const typed of ['४७११०२', '471 102', '４７１-１０２', ' (٤٧١) ١٠٢\u200f']) {
    assert.equal(asciiDigits(typed), '471102')
  }
})

test('unknown languages have the English texts', () => {
  assert.equal(textsFor('ta').element.cancel, 'Cancel')
  assert.equal(textsFor('hi-IN').element.cancel, 'रद्द करें')
  assert.equal(textsFor('en', { element: { cancel: 'Stop' } }).element.cancel, 'Stop')
})
