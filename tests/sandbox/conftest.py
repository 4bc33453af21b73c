"""A fast sandbox, the requests of the vendor's documents, and a webhook that records callbacks."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from threading import Thread
from typing import Any

import pytest
from sandbox.vendor import TOKEN

from otpvoice_sandbox import ReplyStyle, RunningSandbox, SandboxConfig, Webhook


class PatientServer(ThreadingHTTPServer):
    """A server with a longer queue: the default of five resets simultaneous callbacks."""

    request_queue_size = 128


@pytest.fixture
def inbox() -> SimpleQueue[dict[str, Any]]:
    """Requests that the webhook received: ``method``, ``path``, ``headers``, ``body`` (text)."""
    return SimpleQueue()


@pytest.fixture
def webhook_replies() -> list[tuple[int, bytes]]:
    """The next replies of the webhook, in order; then always 200."""
    return []


@pytest.fixture
def webhook_uri(
    inbox: SimpleQueue[dict[str, Any]], webhook_replies: list[tuple[int, bytes]]
) -> Iterator[str]:
    """A webhook on its own port."""

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            inbox.put(
                {
                    "method": self.command,
                    "path": self.path,
                    "headers": dict(self.headers),
                    "body": body,
                }
            )
            status, body_sent = webhook_replies.pop(0) if webhook_replies else (200, _echo(body))
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/moved")
            self.send_header("Content-Length", str(len(body_sent)))
            self.end_headers()
            self.wfile.write(body_sent)

        do_GET = do_POST = do_PUT = _take  # noqa: N815  # the names that http.server asks for

        def log_message(self, *_: Any) -> None:
            pass

    with PatientServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/ack/receive"
        server.shutdown()
        thread.join()


def _echo(body: str) -> bytes:
    try:
        return json.dumps({"challenge": json.loads(body)["challenge"]}).encode()
    except (ValueError, KeyError):
        return b'{"status":"ok"}'


@pytest.fixture
def config(webhook_uri: str) -> SandboxConfig:
    """An account with short calls; webhook 7 has a secret and the subscription."""
    return SandboxConfig(
        token=TOKEN,
        sounds=frozenset({"39888925-718e-43bb-a8b1-d4a300000000"}),
        flows={"24": "Hello {Name}, your otp for login is {otp}", "220": "Code {{otp@digits}}"},
        webhooks={
            "7": Webhook(uri=webhook_uri, secret="s3cret"),
            "8": Webhook(uri=f"{webhook_uri}/eight"),
        },
        subscription="7",
        reply_style=ReplyStyle(),
        ring_seconds=0.02,
        talk_seconds=0.02,
        redial_seconds=0.01,
        minute_seconds=0.004,
        callback_retry_seconds=0.02,
    )


@pytest.fixture
def start() -> Iterator[Callable[[SandboxConfig], RunningSandbox]]:
    """Starts sandboxes, and stops them after the test."""
    with ExitStack() as running:
        yield lambda config: running.enter_context(RunningSandbox(config))


@pytest.fixture
def sandbox(
    start: Callable[[SandboxConfig], RunningSandbox], config: SandboxConfig
) -> RunningSandbox:
    """The fast sandbox, running."""
    return start(config)
