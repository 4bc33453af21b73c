// A page and an app that are type-checked with the packed client.
import { VerificationClient, asciiDigits } from 'otpvoice-client/app'
import { OtpvoiceCode } from 'otpvoice-client/element'
import { texts } from 'otpvoice-client/texts'

const element = document.querySelector('otpvoice-code')
element?.addEventListener('otpvoice-approved', ({ detail }) => {
  const receipt: string = detail.receipt
  return fetch('/login/receipt', { method: 'POST', body: receipt })
})
element?.addEventListener('otpvoice-ended', ({ detail }) => detail.verification?.status)
const received = { url: 'https://otp.example.com/v1/verifications/vrf_1', client_token: 'vct_1', code_length: 6 }
element?.start(received)
element?.start({ url: 'https://otp.example.com/v1/verifications/vrf_1', client_token: 'vct_1' })
new VerificationClient({ url: 'https://otp.example.com/', client_token: 'vct_1', code_length: 6 })
if (element instanceof OtpvoiceCode) element.texts = { element: { confirm: 'Log in' } }
texts['ta'] = { ...texts['en']!, element: { ...texts['en']!.element, cancel: 'ரத்து செய்' } }

export async function check(access: { url: string; client_token: string }, typed: string) {
  const verification = new VerificationClient(access)
  const { valid, checks_left } = await verification.check(asciiDigits(typed))
  return valid || checks_left > 0
}

// @ts-expect-error an app has no API key, so it cannot create
new VerificationClient({ url: '', client_token: '' }).create({ to: '+919876543210' })
// @ts-expect-error the token is missing
element?.start({ url: '' })
