// The stream of changes, for as long as somebody listens.

const PAUSE = 1000; // milliseconds; the browser itself comes back only to a server that hung up

/** Calls `hear` with each message, and with null whenever the server is away. */
export function follow(hear) {
  const source = new EventSource("/desk/live");
  source.onmessage = ({ data }) => hear(JSON.parse(data));
  source.onerror = () => {
    hear(null);
    if (source.readyState === EventSource.CLOSED) setTimeout(() => follow(hear), PAUSE);
  };
}
