// What the element shows: its parts, and the texts in them.

import { styleSheet } from './element-style.js'
import { now } from './transport.js'

/** @import { Call, CheckedVerification, Verification } from './types.js' */
/** @import { Texts } from './texts.js' */

const SVG = 'http://www.w3.org/2000/svg'
const PHONE =
  'M6.6 10.8a15 15 0 0 0 6.6 6.6l2.2-2.2a1 1 0 0 1 1-.25 11.4 11.4 0 0 0 3.6.58 1 1 0 0 1 1 1V20a1 1 0 0 1-1 1' +
  'A17 17 0 0 1 3 4a1 1 0 0 1 1-1h3.5a1 1 0 0 1 1 1c0 1.25.2 2.46.57 3.58a1 1 0 0 1-.25 1Z'
const CHECK_MARK = 'm5 12.5 4.5 4.5L19 7.5'
/** The number of checks left is shown if it is this or less. */
const FEW_CHECKS = 3

/** The content of the shadow root. */
export class ElementView {
  code = make('input', 'input', {
    id: 'code',
    type: 'text', // a number field drops leading zeros
    inputmode: 'numeric',
    autocomplete: 'one-time-code',
    autocapitalize: 'off',
    spellcheck: 'false',
    enterkeyhint: 'done',
    dir: 'ltr',
    required: '',
    'aria-describedby': 'life error',
  })
  confirm = make('button', 'button confirm')
  again = make('button', 'button quiet again', { type: 'button', 'aria-describedby': 'again-note' })
  cancel = make('button', 'button quiet cancel', { type: 'button' })
  restart = make('button', 'button restart', { type: 'button', 'aria-describedby': 'outcome' })
  form = make('form', 'form', { novalidate: '' })
  #status = make('p', 'status', { role: 'status' })
  #caller = make('p', 'caller')
  #label = make('label', 'label', { for: 'code' })
  #life = make('p', 'hint life', { id: 'life' })
  #error = make('p', 'error', { id: 'error', role: 'alert' })
  #againNote = make('p', 'hint again-note', { id: 'again-note' })
  #outcome = make('p', 'outcome-text', { id: 'outcome', role: 'status' })
  #checkMark = icon(CHECK_MARK, 'done')
  #callPart = make('div', 'call', { hidden: '' })
  #endPart = make('div', 'end', { hidden: '' })
  /** @type {Texts} */
  #texts
  /** @type {Verification | null} */
  #shown = null
  #shownAt = 0 // on a monotonic clock

  /**
   * @param {ShadowRoot} root
   * @param {Texts} texts
   */
  constructor(root, texts) {
    this.#texts = texts
    const lines = make('div', 'lines')
    lines.append(this.#status, this.#caller)
    const progress = make('div', 'progress')
    progress.append(icon(PHONE, 'icon'), lines)
    const field = make('div', 'field')
    field.append(this.code)
    this.form.append(this.#label, field, this.#life, this.#error, this.confirm)
    const choices = make('div', 'choices')
    choices.append(this.again, this.cancel)
    this.#callPart.append(progress, this.form, this.#againNote, choices)
    const outcome = make('div', 'outcome')
    outcome.append(this.#checkMark, this.#outcome)
    this.#endPart.append(outcome, this.restart)
    root.adoptedStyleSheets = [styleSheet()]
    root.append(this.#callPart, this.#endPart)
  }

  /**
   * Sets the texts, and the language for screen readers.
   *
   * @param {Texts} texts
   * @param {string} language
   */
  setTexts(texts, language) {
    this.#texts = texts
    const { element } = texts
    this.#callPart.lang = this.#endPart.lang = language
    this.#label.textContent = element.code ?? ''
    this.confirm.textContent = element.confirm ?? ''
    this.again.textContent = element.call_again ?? ''
    this.cancel.textContent = element.cancel ?? ''
    this.restart.textContent = element.start_again ?? ''
    this.showError('')
    if (this.#shown && !this.#callPart.hidden) this.showVerification(this.#shown, this.#shownAt)
  }

  /**
   * Shows the form for a new verification.
   *
   * @param {number} codeLength
   */
  showStart(codeLength) {
    this.#shown = null
    this.code.value = ''
    this.code.disabled = this.confirm.disabled = false
    this.again.disabled = true
    this.#callPart.dataset['call'] = 'queued'
    for (const each of [this.#caller, this.#life, this.#againNote]) each.textContent = ''
    setText(this.#status, this.#texts.call['queued'])
    this.#setCodeLength(codeLength)
    this.showError('')
    this.#showPart(this.#callPart)
  }

  /**
   * Shows a verification that is pending.
   *
   * @param {Verification} state
   * @param {number} [at] when its response arrived
   */
  showVerification(state, at = now()) {
    this.#shown = state
    this.#shownAt = at
    this.#setCodeLength(state.code_length)
    const call = state.calls.at(-1)
    if (call) this.#showCall(call, state.to)
    const { allowed, reason } = state.next.check
    this.code.disabled = this.confirm.disabled = !allowed
    const refusal = allowed ? '' : (this.#texts.reason[reason ?? ''] ?? '')
    if (refusal && refusal !== this.#error.textContent) this.showError(refusal)
    this.updateTimes()
  }

  /** Shows the times that are left. They count from the response: the device's clock may be wrong. */
  updateTimes() {
    if (!this.#shown || this.#callPart.hidden) return
    const { element, reason: reasons } = this.#texts
    const elapsed = (now() - this.#shownAt) / 1000
    const { allowed, reason, retry_after } = this.#shown.next.call
    setText(this.#life, fill(element.life, { time: formatTime(this.#shown.expires_in - elapsed) }))
    const wait = (retry_after ?? 0) - elapsed
    const waitText = wait > 0 ? unbroken(fill(element.wait, { time: formatTime(wait) })) : ''
    // During the gap the button is enabled, because the service then places the call at its end.
    const isGapOver = reason === 'call_gap' && wait <= 0
    const reasonText = (!isGapOver && reasons[reason ?? '']) || ''
    this.again.disabled = !allowed
    setText(this.#againNote, `${reasonText} ${waitText}`.trim())
  }

  /**
   * Shows that the code was wrong, with the number of checks if few are left.
   *
   * @param {CheckedVerification} state
   */
  showWrongCode({ checks_left }) {
    const { element } = this.#texts
    const left = checks_left <= FEW_CHECKS ? fill(element.checks_left, { count: checks_left }) : ''
    this.showError(`${element.wrong} ${left}`.trim(), true)
  }

  /** Shows that the code has too few or too many digits. */
  showIncompleteCode() {
    this.showError(fill(this.#texts.element.incomplete, { count: this.codeLength }), true)
  }

  /**
   * Shows an error.
   *
   * @param {string} [text]
   * @param {boolean} [isCodeInvalid] whether another code has to be typed
   */
  showError(text = '', isCodeInvalid = false) {
    this.#error.textContent = text
    this.code.setAttribute('aria-invalid', String(isCodeInvalid))
    if (isCodeInvalid) this.code.select()
  }

  /**
   * Shows the end of a verification.
   *
   * @param {string} [text]
   * @param {boolean} [isApproved]
   */
  showEnd(text = '', isApproved = false) {
    this.#shown = null
    this.#checkMark.toggleAttribute('hidden', !isApproved)
    this.restart.hidden = isApproved
    this.#showPart(this.#endPart)
    this.#outcome.textContent = text
    if (!isApproved) return this.restart.focus()
    this.#outcome.tabIndex = -1
    this.#outcome.focus() // the field had the focus, and is gone
  }

  /** Shows nothing. */
  clear() {
    this.#showPart(null)
  }

  /** The digits that a code of this verification has. */
  get codeLength() {
    return Number(this.code.dataset['length'])
  }

  /**
   * @param {Call} call
   * @param {string} to
   */
  #showCall(call, to) {
    const status = call.status === 'answered' && call.heard === false ? 'unheard' : call.status
    this.#callPart.dataset['call'] = status
    // A newer service may send further words.
    setText(this.#status, this.#texts.call[status] ?? this.#texts.call['unknown'])
    const numbers = { to: formatNumber(to), caller: formatNumber(call.caller_id) }
    setText(this.#caller, call.ended_at ? '' : fill(this.#texts.element.calling, numbers))
  }

  /** @param {number} length */
  #setCodeLength(length) {
    this.code.dataset['length'] = String(length)
    this.code.pattern = `[0-9]{${length}}`
    this.form.style.setProperty('--_length', String(length))
  }

  /** @param {HTMLElement | null} part */
  #showPart(part) {
    for (const each of [this.#callPart, this.#endPart]) each.hidden = each !== part
  }
}

/**
 * Creates an element whose classes are its parts, too.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} classes
 * @param {Record<string, string>} [attributes]
 */
function make(tag, classes, attributes = {}) {
  const made = document.createElement(tag)
  const all = { class: classes, part: classes, ...attributes }
  for (const [name, value] of Object.entries(all)) made.setAttribute(name, value)
  return made
}

/**
 * @param {string} path
 * @param {string} classes
 */
function icon(path, classes) {
  const made = document.createElementNS(SVG, 'svg')
  const shape = document.createElementNS(SVG, 'path')
  shape.setAttribute('d', path)
  const all = { viewBox: '0 0 24 24', class: classes, part: classes, 'aria-hidden': 'true' }
  for (const [name, value] of Object.entries(all)) made.setAttribute(name, value)
  made.append(shape)
  return made
}

/**
 * Sets a text only if it differs, because a screen reader announces every assignment.
 *
 * @param {HTMLElement} target
 * @param {string} [text]
 */
function setText(target, text = '') {
  if (target.textContent !== text) target.textContent = text
}

/**
 * Formats a number that may be masked, in groups that stay on one line.
 *
 * @param {string} number
 */
function formatNumber(number) {
  const grouped = number.replace(/^(\+91)([\d*]{5})([\d*]{5})$/, '$1\u00a0$2\u00a0$3')
  return grouped.replaceAll('*', '•')
}

/** @param {string} text to keep on one line */
function unbroken(text) {
  return text.replaceAll(' ', '\u00a0')
}

/** @param {number} seconds */
function formatTime(seconds) {
  const whole = Math.max(0, Math.ceil(seconds))
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}

/**
 * @param {string | undefined} sentence
 * @param {Record<string, string | number>} values
 */
function fill(sentence = '', values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ''))
}
