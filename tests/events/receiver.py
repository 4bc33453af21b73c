"""A client that takes events: a real server that proves each by the library, and may misbehave."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

from standardwebhooks import Webhook
from support.processes import TIMEOUT_S

NEW_SECRET = "whsec_dGhlIG5ld2VyIHNlY3JldCBvZiB0aGUgdGVzdHMgMzIgIQ=="
OLD_SECRET = "whsec_dGhlIG9sZGVyIHNlY3JldCBvZiB0aGUgdGVzdHMgMzIgIQ=="
LONG: Final = 200_000
"""Bytes: more than anybody reads of an answer."""


@dataclass(frozen=True)
class ReceivedEvent:
    """One event as it arrived, proven genuine."""

    id: str
    type: str
    sequence: int
    timestamp: str
    data: dict[str, Any]
    raw: bytes
    headers: dict[str, str]
    at: float
    """Monotonic."""


class EventReceiver:
    """A context manager: a receiver that listens during the block.

    ``next_responses`` are the responses to the next requests, in turn; then ``default_response``
    follows. Each is a status, or "hang" (nothing until :meth:`release`), "slow" (the head at once,
    the body never), "long", "close" (no response at all), or "redirect".
    """

    def __init__(
        self, secret: str = NEW_SECRET, default_response: int | str = 204, port: int = 0
    ) -> None:
        self.next_responses: list[int | str] = []
        self.default_response = default_response
        self.events: list[ReceivedEvent] = []
        self.faults: list[Exception] = []
        """What was no genuine event, or asked for by another path."""
        self._webhook = Webhook(secret)
        self._changed = threading.Condition()
        self._released = threading.Event()
        self._server = _Server(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/events"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def release(self) -> None:
        """Close hanging connections without a response."""
        self._released.set()

    def wait_for_events(self, many: int, timeout_s: float = TIMEOUT_S) -> list[ReceivedEvent]:
        """Return the first ``many`` events as soon as they have arrived."""
        self.wait_for(lambda received: len(received) >= many, f"{many} events", timeout_s)
        return self.events[:many]

    def wait_for_event(
        self, verification_id: str, event_type: str, timeout_s: float = TIMEOUT_S
    ) -> ReceivedEvent:
        """Return the event of this verification and type as soon as it has arrived."""
        found: list[ReceivedEvent] = self.wait_for(
            lambda received: [
                t for t in received if t.data["id"] == verification_id and t.type == event_type
            ],
            f"{event_type} of {verification_id}",
            timeout_s,
        )
        return found[0]

    def wait_for(
        self,
        condition: Callable[[list[ReceivedEvent]], Any],
        what: str,
        timeout_s: float = TIMEOUT_S,
    ) -> Any:
        """Return what the condition finds in the events, as soon as it finds something."""
        give_up = time.monotonic() + timeout_s
        with self._changed:
            while not (found := condition(self.events)):
                left = give_up - time.monotonic()
                heard = [(received.type, received.sequence) for received in self.events]
                assert left > 0, f"waited {timeout_s} s for {what}; got {heard}"
                self._changed.wait(left)
        return found

    def receive(self, path: str, headers: dict[str, str], body: bytes) -> int | str:
        """One request, and what to do with it."""
        with self._changed:
            try:
                assert path == "/events", path
                said = self._webhook.verify(body, headers)
                self.events.append(
                    ReceivedEvent(
                        headers["webhook-id"],
                        **said,
                        raw=body,
                        headers=headers,
                        at=time.monotonic(),
                    )
                )
            except Exception as error:  # noqa: BLE001 - the test reports the fault
                self.faults.append(error)
            self._changed.notify_all()
            return self.next_responses.pop(0) if self.next_responses else self.default_response

    def wait_for_release(self) -> None:
        """Until it lets go."""
        self._released.wait(60)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # five of eight deliveries at once would fit into the default

    def __init__(self, client: EventReceiver, port: int) -> None:
        self.client = client
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        """Verify the event and respond as configured."""
        client = self.server.client
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the sender died
            return
        received = {name.lower(): value for name, value in self.headers.items()}
        answer = client.receive(self.path, received, body)
        self.close_connection = True
        if answer in {"hang", "close"}:
            if answer == "hang":
                client.wait_for_release()
            return
        location = f"{client.url}/elsewhere" if answer == "redirect" else ""
        status = {"redirect": 307, "slow": 200, "long": 200}.get(str(answer), answer)
        self._head(int(status), LONG if answer in {"slow", "long"} else 0, location)
        if answer == "slow":
            client.wait_for_release()
        elif answer == "long":
            self.wfile.write(b"x" * LONG)

    def _head(self, status: int, length: int, location: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.flush()

    def handle(self) -> None:
        """As usual; a sender that has read enough is no fault."""
        with suppress(OSError):
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Log nothing."""
