// The login, from the number to the receipt. The page calls the voice service directly, with a token
// for this one verification. The backend accepts only the service's receipt.

import { asciiDigits } from './digits.js'
import { Verification, postToBackend, sleep } from './verification.js'
import {
  showCodeError, showEnd, showEvents, showStart, showVerification, showWrongCode, textFor,
} from './view.js'

const FATAL = ['token_expired', 'unauthorized', 'not_found']
const POLL_AFTER_S = 2 // unless the service sets another interval

let current = null // the current verification

/** Runs an action for a form or button: one at a time, without leaving the page. */
function on(id, type, action) {
  const element = document.getElementById(id)
  element?.addEventListener(type, async (event) => {
    event.preventDefault()
    if (element.ariaBusy === 'true') return
    element.ariaBusy = 'true'
    try {
      await action()
    } finally {
      element.ariaBusy = 'false'
    }
  })
}

on('start', 'submit', async () => {
  const value = (id) => document.getElementById(id).value
  try {
    const path = `/login${location.search}` // the query has the chosen language
    current = new Verification(await postToBackend(path, { number: value('number'), name: value('name') }))
  } catch (error) {
    return showStart(textFor(error))
  }
  poll(current)
})

on('check', 'submit', async () => {
  try {
    const checked = await current.check(asciiDigits(document.getElementById('code').value))
    if (checked.valid) return await logIn(checked.receipt)
    showVerification(checked)
    if (checked.status === 'pending') showWrongCode(checked)
  } catch (error) {
    showError(error)
  }
})

on('again', 'click', async () => {
  await current.call().then(showVerification, showError)
  document.getElementById('code').focus() // the button is now disabled and loses the focus
})
on('cancel', 'click', () => current.cancel().then(showVerification, showError))
on('restart', 'click', () => showStart())

/** Shows a verification until it ends, at the interval that the service sets. */
async function poll(verification) {
  while (verification === current) {
    let interval = POLL_AFTER_S
    try {
      const state = await verification.fetch()
      if (state.status === 'approved') return // the response to the check has the receipt
      showVerification(state)
      if (state.poll_after === null) return
      interval = state.poll_after
    } catch (error) {
      if (FATAL.includes(error.code)) return showEnd(textFor(error))
      interval = error.retryAfter ?? POLL_AFTER_S // the next request may succeed
    }
    await sleepUntilVisible(interval)
  }
}

/** Sleeps, or until the user returns to the page, for example after a call on the same phone. */
async function sleepUntilVisible(seconds) {
  const done = new AbortController()
  const returned = new Promise((resolve) => {
    document.addEventListener('visibilitychange', resolve, { signal: done.signal })
  })
  await Promise.race([sleep(seconds), returned])
  done.abort()
}

/** Logs in with the receipt, and loads the page of a logged-in user. */
async function logIn(receipt) {
  current = null
  try {
    await postToBackend('/login/receipt', { receipt })
    location.replace(location.href)
  } catch (error) {
    showEnd(textFor(error))
  }
}

function showError(error) {
  const state = error.verification
  // An approval without a receipt does not log in.
  const isFatal = state?.status === 'approved' || FATAL.includes(error.code)
  if (isFatal) return showEnd(textFor(error))
  if (state) showVerification(state)
  if ((state?.status ?? 'pending') === 'pending') showCodeError(textFor(error))
}

/** Shows the events that the backend received. A product does not show them. */
async function pollEvents() {
  for (;;) {
    if (!document.hidden) {
      const response = await fetch('/login/events').catch(() => null)
      if (response?.ok) showEvents((await response.json()).events)
    }
    await sleep(1)
  }
}
pollEvents()
