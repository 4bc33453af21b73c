// What the person sees. Every sentence comes from the server, in the visitor's language.

const element = (id) => document.getElementById(id)
const sentences = JSON.parse(element('sentences').textContent)
const say = sentences.page

let shown = null // the verification as last shown
let shownAt = 0 // by a clock that nobody can set

/** The first form, with what was wrong. */
export function showAsk(problem = '') {
  only('ask')
  element('ask-error').textContent = problem
  element('number').focus()
}

/** A verification; one that is older than what is shown already is ignored. */
export function showVerification(seen) {
  if (shown?.id === seen.id && shown.version > seen.version) return
  if (shown?.id !== seen.id) beginCall(seen)
  shown = seen
  shownAt = performance.now()
  if (seen.status !== 'pending') return showOver(sentences.status[seen.status] ?? say.start_again)
  showPhone(seen.calls.at(-1))
  showCheck(seen.next.check)
  tick()
}

/** The end, and the way back to the beginning. */
export function showOver(sentence) {
  only('over')
  element('outcome').textContent = sentence
  element('restart').focus()
}

/** Says that the code was wrong, and how often another may be tried when few are left. */
export function showWrong(seen) {
  const few = seen.checks_left <= 3 ? fill(say.checks_left, { count: seen.checks_left }) : ''
  showCodeError(`${say.wrong} ${few}`.trim())
}

/** What is wrong with the code, or with the request for it. */
export function showCodeError(problem) {
  element('code-error').textContent = problem
  element('code').setAttribute('aria-invalid', problem !== '')
  if (problem) element('code').select()
}

/** The sentence for a refusal, by its code. */
export function sentenceFor(refusal) {
  return sentences.code[refusal.code] ?? sentences.code.internal_error
}

/** What the backend was told, oldest first. */
export function showEvents(events) {
  const list = element('events')
  if (events.length === list.children.length) return
  list.replaceChildren(...events.map(item))
  list.hidden = events.length === 0
  element('no-events').hidden = events.length > 0
}

function beginCall(seen) {
  only('call')
  const code = element('code')
  code.value = ''
  showCodeError('')
  code.focus()
}

function showPhone(call) {
  const state = call.status === 'answered' && call.heard === false ? 'unheard' : call.status
  element('call').dataset.state = state
  write(element('progress'), sentences.call[state] ?? '')
  const caller = call.caller_id.replace(/^(\+91)(\d{5})(\d{5})$/, '$1\u00a0$2\u00a0$3') // in one line
  write(element('caller'), call.ended_at ? '' : fill(say.calling, { caller }))
}

function showCheck(check) {
  for (const field of element('prove').elements) field.disabled = !check.allowed
  if (!check.allowed) showCodeError(sentences.reason[check.reason] ?? '')
}

// Times count down from the answer that told them: a phone's own clock may be wrong.
function tick() {
  if (!shown || element('call').hidden) return
  const gone = (performance.now() - shownAt) / 1000
  element('life').textContent = fill(say.life, { time: minutes(shown.expires_in - gone) })
  const { allowed, reason, retry_after } = shown.next.call
  const wait = retry_after === null ? 0 : retry_after - gone
  const until = wait > 0 ? fill(say.wait, { time: minutes(wait) }) : ''
  // Pressed within the gap, the call comes at its end: no need to make the person wait to ask.
  element('again').disabled = !allowed
  const why = reason === 'call_gap' && wait <= 0 ? '' : (sentences.reason[reason] ?? '')
  element('again-note').textContent = `${why} ${until}`.trim()
}
setInterval(tick, 1000)

function minutes(count) {
  const whole = Math.max(0, Math.ceil(count))
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`
}

function item(event) {
  const line = document.createElement('li')
  const type = document.createElement('code')
  type.textContent = event.type
  const time = document.createElement('time')
  time.dateTime = event.timestamp
  time.textContent = new Date(event.timestamp).toLocaleTimeString(document.documentElement.lang)
  line.append(type, time)
  return line
}

// Only what is new is written, so that a screen reader does not say it again at every look.
function write(place, text) {
  if (place.textContent !== text) place.textContent = text
}

function only(part) {
  for (const id of ['ask', 'call', 'over']) element(id).hidden = id !== part
  element('languages').hidden = part === 'call' // another language is another page
}

function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name])
}
