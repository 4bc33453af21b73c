// <otpvoice-code>: the field for the code, with the progress of the call.

import { VerificationClient } from './app.js'
import { asciiDigits } from './digits.js'
import { ElementView } from './element-view.js'
import { ApiError, OtpvoiceError } from './errors.js'
import { isKnown, textsFor } from './texts.js'
import { idempotencyKey } from './transport.js'

/** @import { Access } from './app.js' */
/**
 * @typedef {import('./element-types.js').ApprovedEvent} ApprovedEvent
 * @typedef {import('./element-types.js').ChangeEvent} ChangeEvent
 * @typedef {import('./element-types.js').EndedEvent} EndedEvent
 */
/** @import { PartialTexts } from './texts.js' */
/** @import { CheckedVerification, Verification } from './types.js' */

const FATAL = ['token_expired', 'unauthorized', 'not_found']
const DEFAULT_CODE_LENGTH = 6

/**
 * A class to extend where there are no pages, so that a server can import this module.
 *
 * @type {typeof HTMLElement}
 */
const BaseElement = globalThis.HTMLElement ?? class {}

/**
 * Shows one verification, from the call to its end, and accepts the code.
 *
 * Attributes: `lang` (by default that of the page), `boxes` (one box for each digit).
 *
 * Events, which bubble: `otpvoice-change`, `otpvoice-approved` with the receipt, `otpvoice-ended`, and
 * `otpvoice-restart` when the user wants to start again.
 */
export class OtpvoiceCode extends BaseElement {
  static observedAttributes = ['lang']

  /** @type {ElementView | null} */
  #view = null
  /** @type {PartialTexts} */
  #ownTexts = {}
  #language = ''
  /** @type {VerificationClient | null} */
  #client = null
  /** @type {AbortController | null} */
  #running = null
  /** @type {Verification | null} */
  #shown = null
  #isChecking = false
  /**
   * A check without a response. If it accepted the code, the same request returns the receipt.
   * @type {{ code: string, key: string } | null}
   */
  #unanswered = null

  /**
   * Begins to show a verification, and moves the focus to the field.
   *
   * @param {Access & Partial<Verification>} verification what your backend sends to the page, of the
   *   response to its create: `url`, `client_token`, of a payment `transaction`, and, if you like, the
   *   other members
   * @throws {TypeError} an invalid `url` or `client_token`
   */
  start(verification) {
    const client = new VerificationClient(verification)
    this.stop()
    this.#client = client
    this.#shown = this.#unanswered = null
    this.#getView().showStart(verification.code_length ?? DEFAULT_CODE_LENGTH)
    if (this.isConnected) this.#run()
    this.#getView().code.focus()
  }

  /** Stops to follow the verification, which goes on. The element is empty. */
  stop() {
    this.#running?.abort()
    this.#client = null
    this.#view?.clear()
  }

  /** The verification as last shown. */
  get verification() {
    return this.#shown
  }

  /** Texts that replace those of the element's language; see `otpvoice-client/texts`. */
  get texts() {
    return this.#ownTexts
  }

  set texts(texts) {
    this.#ownTexts = texts
    this.#language = ''
    this.#updateTexts()
  }

  connectedCallback() {
    if (this.#client) this.#run()
  }

  disconnectedCallback() {
    this.#running?.abort()
  }

  attributeChangedCallback() {
    this.#updateTexts()
  }

  /**
   * Focuses the field.
   *
   * @override
   * @param {FocusOptions} [options]
   */
  focus(options) {
    this.#view?.code.focus(options)
  }

  #getView() {
    if (this.#view) return this.#view
    const view = new ElementView(this.attachShadow({ mode: 'open' }), this.#texts())
    view.form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#act(view.form, (client) => this.#check(client))
    })
    view.code.addEventListener('input', () => view.showError(''))
    view.code.addEventListener('paste', (event) => this.#paste(event))
    view.again.addEventListener('click', () => this.#act(view.again, (client) => this.#call(client)))
    view.cancel.addEventListener('click', () => {
      this.#act(view.cancel, async (client) => this.#show(await client.cancel()))
    })
    view.restart.addEventListener('click', () => {
      this.stop()
      this.#dispatch('otpvoice-restart', null)
    })
    this.#view = view
    this.#language = ''
    this.#updateTexts()
    return view
  }

  /** Follows the verification until it ends, or the element is removed from the page. */
  async #run() {
    this.#running?.abort()
    const running = new AbortController()
    this.#running = running
    const timer = setInterval(() => this.#tick(), 1000)
    running.signal.addEventListener('abort', () => clearInterval(timer))
    try {
      for await (const state of this.#client?.watch({ signal: running.signal }) ?? []) {
        if (!running.signal.aborted) this.#show(state)
      }
    } catch (error) {
      if (!running.signal.aborted) this.#showError(error)
    }
  }

  #tick() {
    this.#updateTexts()
    this.#view?.updateTimes()
  }

  /**
   * Runs an action of a form or button, one at a time.
   *
   * @param {HTMLElement} control
   * @param {(client: VerificationClient) => Promise<void>} action
   */
  async #act(control, action) {
    const client = this.#client
    if (!client || control.ariaBusy === 'true') return
    control.ariaBusy = 'true'
    try {
      await action(client)
    } catch (error) {
      if (client === this.#client) this.#showError(error)
    } finally {
      control.ariaBusy = 'false'
    }
  }

  /** @param {VerificationClient} client */
  async #check(client) {
    const view = this.#getView()
    const code = asciiDigits(view.code.value)
    if (!/^\d+$/.test(code) || code.length !== view.codeLength) return view.showIncompleteCode()
    const key = this.#unanswered?.code === code ? this.#unanswered.key : idempotencyKey()
    this.#unanswered = { code, key }
    this.#isChecking = true
    try {
      const checked = await client.check(code, { idempotencyKey: key })
      this.#unanswered = null
      if (client !== this.#client) return
      if (checked.valid) return this.#approve(checked)
      this.#show(checked)
      if (checked.status === 'pending') view.showWrongCode(checked)
    } catch (error) {
      if (!(error instanceof OtpvoiceError) || !error.isRetryable) this.#unanswered = null
      throw error
    } finally {
      this.#isChecking = false
    }
  }

  /** @param {VerificationClient} client */
  async #call(client) {
    try {
      this.#show(await client.call())
    } finally {
      this.#view?.code.focus() // the button is now disabled and loses the focus
    }
  }

  /**
   * Takes the code out of a pasted text, such as "Your code is 471 102".
   *
   * @param {ClipboardEvent} event
   */
  #paste(event) {
    const view = this.#getView()
    const digits = asciiDigits(event.clipboardData?.getData('text') ?? '').replace(/\D/g, '')
    if (digits.length !== view.codeLength) return
    event.preventDefault()
    view.code.value = digits
  }

  /**
   * Shows a state, or the end. A version older than the one shown is ignored.
   *
   * @param {Verification} state
   */
  #show(state) {
    if (!this.#client || (this.#shown && this.#shown.version > state.version)) return
    // The response to the check has the receipt, so wait for it.
    if (state.status === 'approved' && (this.#isChecking || this.#unanswered)) return
    const isNew = this.#shown?.version !== state.version
    this.#shown = state
    if (state.status !== 'pending') {
      const { status } = this.#texts()
      return this.#end(state, null, (state.reason === 'denied' && status['denied']) || status[state.status])
    }
    this.#getView().showVerification(state)
    if (isNew) this.#dispatch('otpvoice-change', { verification: state })
  }

  /** @param {CheckedVerification} checked */
  #approve(checked) {
    this.#finish(checked)
    this.#getView().showEnd(this.#texts().status['approved'], true)
    const detail = { verification: checked, receipt: checked.receipt ?? '' }
    this.#dispatch('otpvoice-approved', detail)
  }

  /**
   * @param {Verification | null} state
   * @param {OtpvoiceError | null} error
   * @param {string} [text]
   */
  #end(state, error, text) {
    this.#finish(state)
    const isApproved = state?.status === 'approved' && !error
    this.#getView().showEnd(text ?? this.#texts().reason['closed'], isApproved)
    this.#dispatch('otpvoice-ended', { verification: state, error })
  }

  /** @param {Verification | null} state */
  #finish(state) {
    this.#running?.abort()
    this.#client = null
    this.#shown = state
  }

  /** @param {unknown} error */
  #showError(error) {
    if (!(error instanceof OtpvoiceError)) throw error
    const code = error instanceof ApiError ? error.code : 'store_unavailable'
    const text = this.#texts().code[code] ?? this.#texts().code['internal_error']
    const state = error instanceof ApiError ? error.verification : null
    // An approval without a receipt does not prove that this user typed the code.
    if (state?.status === 'approved' || FATAL.includes(code)) {
      return this.#end(state ?? this.#shown, error, text)
    }
    if (state) this.#show(state)
    if (this.#client) this.#getView().showError(text, code === 'invalid_request')
  }

  /**
   * @param {'otpvoice-change' | 'otpvoice-approved' | 'otpvoice-ended' | 'otpvoice-restart'} type
   * @param {ChangeEvent['detail'] | ApprovedEvent['detail'] | EndedEvent['detail'] | null} detail
   */
  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }))
  }

  #texts() {
    return textsFor(this.#currentLanguage(), this.#ownTexts)
  }

  #currentLanguage() {
    const nearest = /** @type {HTMLElement | null} */ (this.closest('[lang]'))
    return nearest?.lang || document.documentElement.lang || 'en'
  }

  #updateTexts() {
    const language = this.#currentLanguage()
    if (language === this.#language) return
    this.#language = language
    const isTranslated = isKnown(language) || Object.keys(this.#ownTexts).length > 0
    this.#view?.setTexts(this.#texts(), isTranslated ? language : 'en')
  }
}

if (globalThis.customElements && !customElements.get('otpvoice-code')) {
  customElements.define('otpvoice-code', OtpvoiceCode)
}
