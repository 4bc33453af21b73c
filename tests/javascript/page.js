// Starts the element for a verification, and keeps the events that it sends.
import './client/element.js'

const types = ['otpvoice-change', 'otpvoice-approved', 'otpvoice-ended', 'otpvoice-restart']

window.events = []
for (const type of types) {
  document.addEventListener(type, ({ detail }) => window.events.push({ type, detail }))
}
window.start = (verification) => {
  window.events.length = 0
  document.querySelector('otpvoice-code').start(verification)
}
