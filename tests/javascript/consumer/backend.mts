// A login backend that is type-checked with the packed client.
import { ApiError, Client, type Verification } from 'otpvoice-client'

const client = new Client('https://otp.example.com', 'ovk_key', { timeoutMs: 5_000 })

export async function start(number: string, login: string): Promise<string | undefined> {
  try {
    const created = await client.create({ to: number, reference: login, call_after: 30 })
    for await (const state of client.watch(created.id, { signal: AbortSignal.timeout(1_000) })) {
      if (state.calls.at(-1)?.status === 'answered') break
    }
    const { valid, receipt } = await client.check(created.id, '482913', { idempotencyKey: 'k' })
    return valid ? receipt : created.client_token
  } catch (error) {
    if (error instanceof ApiError && error.code === 'rate_limited') {
      const seconds: number | null = error.retryAfter
      const state: Verification | null = error.verification
      return `${seconds} ${state?.status}`
    }
    throw error
  }
}

// @ts-expect-error a number is missing
void client.create({ reference: 'login-81' })
// @ts-expect-error an unknown member
void client.create({ to: '+919876543210', call_afer: 30 })
// @ts-expect-error a wrong type
void client.create({ to: '+919876543210', ttl: '60' })
