"""Node with the locked packages of ``clients/javascript``, and a page with the element."""

import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from javascript.node import CLIENT

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src http://127.0.0.1:*; require-trusted-types-for 'script'"
)
"""A strict policy, which the element has to work with."""


class PageHandler(SimpleHTTPRequestHandler):
    """Serves a folder with a content security policy, and logs nothing."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a server with the test page and the sources of the client, as they are shipped."""
    folder = tmp_path_factory.mktemp("pages")
    for file in Path(__file__).parent.glob("page.*"):
        shutil.copy(file, folder)
    shutil.copytree(CLIENT / "src", folder / "client")
    handler = partial(PageHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
