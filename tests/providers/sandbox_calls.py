"""Calls that an adapter places with the provider simulator, and a server for its requests."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

from otpvoice.providers.base import Callback, OutboundCall
from otpvoice_sandbox import RunningSandbox

Respond = Callable[[Callback, str], tuple[int, bytes]]
"""Returns status and body of the response to a request and its path."""

_numbers = iter(range(918867200000, 918867400000))


def unused_number() -> dict[str, str]:
    """Return number and id of a call to a number that was not called yet."""
    number = next(_numbers)
    return {"number": f"+{number}", "call_id": f"call_{number:032x}"}


def set_phone(sandbox: RunningSandbox, call: OutboundCall, behaviour: str, **options: Any) -> None:
    """Set the behaviour of the phone that is called."""
    url = f"{sandbox.url}/phones/{call.number[1:]}"
    document = {"behaviour": behaviour, **options}
    assert requests.put(url, json=document, timeout=5).status_code == 204


def phone(sandbox: RunningSandbox, call: OutboundCall) -> dict[str, Any]:
    """Return the only call of the phone."""
    (shown,) = sandbox.state.phone_calls(call.number[1:])
    return shown


@contextmanager
def serve_provider(respond: Respond) -> Iterator[str]:
    """Serve the provider's requests, and yield the address without a path."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            callback = Callback(
                body=self.rfile.read(int(self.headers["Content-Length"])),
                query=dict(parse_qsl(parts.query)),
                headers={name.lower(): value for name, value in self.headers.items()},
                url=url + self.path,
                path_token=parts.path.removesuffix("/key").rpartition("/")[2],
            )
            status, document = respond(callback, parts.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield url
        finally:
            server.shutdown()
            thread.join()
