// The stream of changes, with reconnection.

const RETRY_MS = 1000; // after a failure that the browser itself does not retry

/** Calls `receive` with each message, and with null whenever the server is not reachable. */
export function subscribe(receive) {
  const source = new EventSource("/desk/live");
  source.onmessage = ({ data }) => receive(JSON.parse(data));
  source.onerror = () => {
    receive(null);
    if (source.readyState === EventSource.CLOSED) setTimeout(() => subscribe(receive), RETRY_MS);
  };
}
