// The login, from the number to the receipt. <otpvoice-code> follows the call and checks the code, with
// a token for this one verification. The backend accepts only the service's receipt.

import '/otpvoice-client/element.js'
import { textsFor } from '/otpvoice-client/texts.js'
import { followEvents } from './events.js'

const form = document.getElementById('start')
const code = document.querySelector('otpvoice-code')
const errors = textsFor(document.documentElement.lang).code

form?.addEventListener('submit', async (event) => {
  event.preventDefault()
  if (form.ariaBusy === 'true') return
  form.ariaBusy = 'true'
  try {
    const path = `/login${location.search}` // the query has the chosen language
    const verification = await post(path, Object.fromEntries(new FormData(form)))
    showPart(code)
    code.start(verification)
  } catch (error) {
    showStart(error.message)
  } finally {
    form.ariaBusy = 'false'
  }
})

// Logs in with the receipt, and loads the page of a logged-in user.
code?.addEventListener('otpvoice-approved', async ({ detail }) => {
  try {
    await post('/login/receipt', { receipt: detail.receipt })
    location.replace(location.href)
  } catch (error) {
    showStart(error.message)
  }
})

code?.addEventListener('otpvoice-restart', () => showStart())

if (code) code.texts = { element: { confirm: code.dataset.confirm } }
followEvents()

/** Shows the first form, with an error. */
function showStart(problem = '') {
  showPart(form)
  document.getElementById('start-error').textContent = problem
  document.getElementById('number').focus()
}

function showPart(part) {
  for (const each of [form, code]) each.hidden = each !== part
  document.getElementById('languages').hidden = part === code // another language loads another page
}

/** Sends a request to the backend, with the session cookie. An error has the text for the user. */
async function post(path, body) {
  const headers = { 'Content-Type': 'application/json' }
  const request = { method: 'POST', headers, body: JSON.stringify(body), redirect: 'error' }
  const response = await fetch(path, request).catch(() => null)
  if (response?.status === 204) return {}
  const document = (await response?.json().catch(() => null)) ?? { code: 'store_unavailable' }
  if (response?.ok) return document
  throw new Error(errors[document.code] ?? errors.internal_error)
}
