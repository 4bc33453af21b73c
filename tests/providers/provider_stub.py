"""HTTP server in the provider's place: records requests and sends the responses of a test."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class RecordedRequest:
    """One request as received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ProviderStub(ThreadingHTTPServer):
    """Sends the next of ``responses`` to each request; the last one repeats."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/api/v2/"
        self.responses: list[tuple[int, bytes]] = []
        self.headers: dict[str, str] = {}
        """Sent with every response."""
        self.byte_interval_s = 0.0
        """Between two bytes of a body."""
        self.closing = threading.Event()
        self.requests: list[RecordedRequest] = []

    def respond(self, body: bytes, status: int = 200) -> None:
        """Send this response to every request from now on."""
        self.responses = [(status, body)]


class _Handler(BaseHTTPRequestHandler):
    server: ProviderStub

    def do_GET(self) -> None:
        stub = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = dict(self.headers)
        stub.requests.append(RecordedRequest(self.command, self.path, headers, body))
        status, content = stub.responses[0]
        if len(stub.responses) > 1:
            del stub.responses[0]
        self.send_response(status)
        for name, value in stub.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not stub.byte_interval_s:
            self.wfile.write(content)
            return
        for position in range(len(content)):
            if stub.closing.wait(stub.byte_interval_s):
                return
            self.wfile.write(content[position : position + 1])

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Log nothing."""
