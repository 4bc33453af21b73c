// The events that the backend received. A product does not show them.

/** Shows the events, and new ones every second. */
export async function followEvents() {
  for (;;) {
    if (!document.hidden) {
      const response = await fetch('/login/events').catch(() => null)
      if (response?.ok) showEvents((await response.json()).events)
    }
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
}

/** Shows the events, oldest first. */
function showEvents(events) {
  const list = document.getElementById('events')
  if (events.length === list.children.length) return
  list.replaceChildren(...events.map(eventItem))
  list.hidden = events.length === 0
  document.getElementById('no-events').hidden = events.length > 0
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
