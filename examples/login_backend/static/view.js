// The visible page. The server provides all texts, in the user's language.

const element = (id) => document.getElementById(id)
const sentences = JSON.parse(element('sentences').textContent)
const texts = sentences.page

let shown = null // the verification as last shown
let shownAt = 0 // on a monotonic clock

/** Shows the first form, with an error. */
export function showStart(problem = '') {
  showOnly('start')
  element('start-error').textContent = problem
  element('number').focus()
}

/** Shows a verification. A version older than the one shown is ignored. */
export function showVerification(state) {
  if (shown?.id === state.id && shown.version > state.version) return
  if (shown?.id !== state.id) startCall()
  shown = state
  shownAt = performance.now()
  if (state.status !== 'pending') return showEnd(sentences.status[state.status] ?? texts.start_again)
  showCall(state.calls.at(-1))
  showCheck(state.next.check)
  updateTimes()
}

/** Shows the end of a verification, and a button to start again. */
export function showEnd(sentence) {
  showOnly('end')
  element('outcome').textContent = sentence
  element('restart').focus()
}

/** Shows that the code was wrong, with the number of attempts if few are left. */
export function showWrongCode(state) {
  const left = state.checks_left <= 3 ? fill(texts.checks_left, { count: state.checks_left }) : ''
  showCodeError(`${texts.wrong} ${left}`.trim())
}

/** Shows an error of the code, or of the request to check it. */
export function showCodeError(problem) {
  element('code-error').textContent = problem
  element('code').setAttribute('aria-invalid', problem !== '')
  if (problem) element('code').select()
}

/** Returns the text for an error, by its code. */
export function textFor(error) {
  return sentences.code[error.code] ?? sentences.code.internal_error
}

/** Shows the events that the backend received, oldest first. */
export function showEvents(events) {
  const list = element('events')
  if (events.length === list.children.length) return
  list.replaceChildren(...events.map(eventItem))
  list.hidden = events.length === 0
  element('no-events').hidden = events.length > 0
}

function startCall() {
  showOnly('call')
  const code = element('code')
  code.value = ''
  showCodeError('')
  code.focus()
}

function showCall(call) {
  const state = call.status === 'answered' && call.heard === false ? 'unheard' : call.status
  element('call').dataset.state = state
  setText(element('progress'), sentences.call[state] ?? '')
  const caller = call.caller_id.replace(/^(\+91)(\d{5})(\d{5})$/, '$1\u00a0$2\u00a0$3') // on one line
  setText(element('caller'), call.ended_at ? '' : fill(texts.calling, { caller }))
}

function showCheck(check) {
  for (const field of element('check').elements) field.disabled = !check.allowed
  if (!check.allowed) showCodeError(sentences.reason[check.reason] ?? '')
}

// Times count down from the response, because the device's clock may be wrong.
function updateTimes() {
  if (!shown || element('call').hidden) return
  const elapsed = (performance.now() - shownAt) / 1000
  element('life').textContent = fill(texts.life, { time: formatTime(shown.expires_in - elapsed) })
  const { allowed, reason, retry_after } = shown.next.call
  const wait = retry_after === null ? 0 : retry_after - elapsed
  const waitText = wait > 0 ? fill(texts.wait, { time: formatTime(wait) }) : ''
  // During the gap the button is enabled, because the service then places the call at its end.
  element('again').disabled = !allowed
  const reasonText = reason === 'call_gap' && wait <= 0 ? '' : (sentences.reason[reason] ?? '')
  element('again-note').textContent = `${reasonText} ${waitText}`.trim()
}
setInterval(updateTimes, 1000)

function formatTime(seconds) {
  const whole = Math.max(0, Math.ceil(seconds))
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}

function eventItem(event) {
  const item = document.createElement('li')
  const type = document.createElement('code')
  type.textContent = event.type
  const time = document.createElement('time')
  time.dateTime = event.timestamp
  time.textContent = new Date(event.timestamp).toLocaleTimeString(document.documentElement.lang)
  item.append(type, time)
  return item
}

// Set a text only if it differs, because a screen reader announces every assignment.
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text
}

function showOnly(part) {
  for (const id of ['start', 'call', 'end']) element(id).hidden = id !== part
  element('languages').hidden = part === 'call' // another language loads another page
}

function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name])
}
