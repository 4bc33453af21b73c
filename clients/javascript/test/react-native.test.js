// The part for apps, with the globals of React Native: it has no `crypto` and only a basic AbortSignal.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accessTo, client, newNumber } from './service.js'

delete globalThis.crypto
delete AbortSignal.any
delete AbortSignal.timeout
delete AbortSignal.prototype.throwIfAborted
delete AbortSignal.prototype.reason

test('an app without crypto and a complete AbortSignal verifies a number', async () => {
  assert.equal(globalThis.crypto, undefined)
  const { VerificationClient } = await import('otpvoice-client/app')
  const to = newNumber()
  const app = new VerificationClient(accessTo(await client.create({ to, code: '482913' })))
  const leaving = new AbortController()
  for await (const { status } of app.watch(leaving)) {
    assert.equal(status, 'pending')
    leaving.abort()
  }
  await assert.rejects(app.get(leaving), { message: 'aborted' })
  assert.equal((await app.check('482914')).checks_left, 4)
  assert.equal((await app.check('482913')).valid, true)
})
