// A page and an app that are type-checked with the packed client.
import { VerificationClient, asciiDigits } from 'otpvoice-client/app'
import { texts } from 'otpvoice-client/texts'

texts['ta'] = { ...texts['en']!, element: { ...texts['en']!.element, cancel: 'ரத்து செய்' } }

export async function check(access: { url: string; client_token: string }, typed: string) {
  const verification = new VerificationClient(access)
  const { valid, checks_left } = await verification.check(asciiDigits(typed))
  return valid || checks_left > 0
}

// @ts-expect-error an app has no API key, so it cannot create
new VerificationClient({ url: '', client_token: '' }).create({ to: '+919876543210' })
