// A server between the client and the service, which injects faults.

import { once } from 'node:events'
import { createServer } from 'node:http'
import { url } from './service.js'

/** Forwards the request and the response. */
export async function forward(request, response) {
  const { status, headers, body } = await sendOn(request)
  response.writeHead(status, headers).end(body)
}

/** Forwards the request, and loses the response. */
export async function loseResponse(request, response) {
  await sendOn(request)
  response.destroy()
}

/** Forwards the request, and sends a part of the response. */
export async function cutResponse(request, response) {
  const { status, headers, body } = await sendOn(request)
  response.writeHead(status, { ...headers, 'Content-Length': body.length })
  response.write(body.slice(0, 20), () => response.destroy())
}

/** Forwards the request, and never sends a response. */
export const neverRespond = (request) => sendOn(request)

/** Returns a fault that sends this response and drops the request. */
export function respond(status, document = '<html>', headers = {}) {
  const text = typeof document === 'string' ? document : JSON.stringify(document)
  const type = typeof document === 'string' ? 'text/html' : 'application/problem+json'
  return (_, response) => response.writeHead(status, { 'Content-Type': type, ...headers }).end(text)
}

async function sendOn({ method, path, headers, body }) {
  const { authorization, 'content-type': type, 'idempotency-key': key } = headers
  const sent = { Authorization: authorization, 'Content-Type': type, 'Idempotency-Key': key }
  const present = Object.entries(sent).filter(([, value]) => value)
  const response = await fetch(url + path, { method, headers: present, body: body || null })
  const received = Object.fromEntries(['content-type', 'request-id', 'retry-after', 'idempotent-replayed']
    .map((name) => [name, response.headers.get(name)]).filter(([, value]) => value))
  return { status: response.status, headers: received, body: await response.text() }
}

/** Runs a proxy during a test. It applies one fault to each request, and forwards all further ones. */
export async function startProxy(context, ...faults) {
  const requests = []
  const server = createServer(async (incoming, response) => {
    let body = ''
    for await (const part of incoming) body += part
    const request = { method: incoming.method, path: incoming.url, headers: incoming.headers, body }
    request.at = performance.now()
    requests.push(request)
    await (faults[requests.length - 1] ?? forward)(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${server.address().port}`, requests }
}
