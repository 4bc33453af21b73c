// The login, from the number to the receipt. The page talks to the voice service by itself, with a
// token that opens this one verification; our backend believes nothing but the service's receipt.

import { asciiDigits } from './digits.js'
import { Verification, seconds, tellBackend } from './verification.js'
import {
  sentenceFor, showAsk, showCodeError, showEvents, showOver, showVerification, showWrong,
} from './view.js'

const OVER = ['token_expired', 'unauthorized', 'not_found']
const LOOK_AFTER = 2 // seconds, when nothing says otherwise

let current = null // the verification under way

/** Runs an action of a form or button: once at a time, and without leaving the page. */
function on(id, event, action) {
  const part = document.getElementById(id)
  part?.addEventListener(event, async (happened) => {
    happened.preventDefault()
    if (part.ariaBusy === 'true') return
    part.ariaBusy = 'true'
    try {
      await action()
    } finally {
      part.ariaBusy = 'false'
    }
  })
}

on('ask', 'submit', async () => {
  const value = (id) => document.getElementById(id).value
  try {
    const path = `/login${location.search}` // with the language that was chosen
    current = new Verification(await tellBackend(path, { number: value('number'), name: value('name') }))
  } catch (refusal) {
    return showAsk(sentenceFor(refusal))
  }
  follow(current)
})

on('prove', 'submit', async () => {
  try {
    const checked = await current.check(asciiDigits(document.getElementById('code').value))
    if (checked.valid) return await enter(checked.receipt)
    showVerification(checked)
    if (checked.status === 'pending') showWrong(checked)
  } catch (refusal) {
    showRefusal(refusal)
  }
})

on('again', 'click', async () => {
  await current.call().then(showVerification, showRefusal)
  document.getElementById('code').focus() // the button that had the focus can not be pressed now
})
on('cancel', 'click', () => current.cancel().then(showVerification, showRefusal))
on('restart', 'click', () => showAsk())

/** Shows a verification until it has ended, looking as often as the service likes. */
async function follow(verification) {
  while (verification === current) {
    let pause = LOOK_AFTER
    try {
      const seen = await verification.look()
      if (seen.status === 'approved') return // by our own check, whose answer has the receipt
      showVerification(seen)
      if (seen.poll_after === null) return
      pause = seen.poll_after
    } catch (refusal) {
      if (OVER.includes(refusal.code)) return showOver(sentenceFor(refusal))
      pause = refusal.retryAfter ?? LOOK_AFTER // a look that fails is no news: the next may succeed
    }
    await nextLook(pause)
  }
}

/** Comes early when the person comes back to this page, as after a call on the same phone. */
async function nextLook(pause) {
  const over = new AbortController()
  const back = new Promise((done) => {
    document.addEventListener('visibilitychange', done, { signal: over.signal })
  })
  await Promise.race([seconds(pause), back])
  over.abort()
}

/** The receipt lets in, and the page of somebody who is logged in is another one. */
async function enter(receipt) {
  current = null
  try {
    await tellBackend('/login/receipt', { receipt })
    location.replace(location.href)
  } catch (refusal) {
    showOver(sentenceFor(refusal))
  }
}

function showRefusal(refusal) {
  const seen = refusal.verification
  // Approved, and no receipt has come: that lets nobody in.
  const isOver = seen?.status === 'approved' || OVER.includes(refusal.code)
  if (isOver) return showOver(sentenceFor(refusal))
  if (seen) showVerification(seen)
  if ((seen?.status ?? 'pending') === 'pending') showCodeError(sentenceFor(refusal))
}

/** For the eyes of this example: a product does not show its events. */
async function showNews() {
  for (;;) {
    if (!document.hidden) {
      const answer = await fetch('/login/events').catch(() => null)
      if (answer?.ok) showEvents((await answer.json()).events)
    }
    await seconds(1)
  }
}
showNews()
