// The types of the element: its events, and what `document.querySelector` returns.

import type { OtpvoiceCode } from './element.js'
import type { OtpvoiceError } from './errors.js'
import type { CheckedVerification, Verification } from './types.js'

/** A new state is shown. */
export type ChangeEvent = CustomEvent<{ verification: Verification }>
/** A code was accepted. Send the receipt to your backend. */
export type ApprovedEvent = CustomEvent<{ verification: CheckedVerification; receipt: string }>
/** The verification ended in another way, or an error prevents it from going on. */
export type EndedEvent = CustomEvent<{
  /** The last state; null if none was received. */
  verification: Verification | null
  error: OtpvoiceError | null
}>

declare global {
  interface HTMLElementTagNameMap {
    'otpvoice-code': OtpvoiceCode
  }
  interface HTMLElementEventMap {
    'otpvoice-change': ChangeEvent
    'otpvoice-approved': ApprovedEvent
    'otpvoice-ended': EndedEvent
    'otpvoice-restart': CustomEvent<null>
  }
}
