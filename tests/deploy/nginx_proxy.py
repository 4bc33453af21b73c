"""The shipped nginx in front of running APIs.

Ports, the folder of logs, and the files next to ``nginx.conf`` are replaced by those of a test.
"""

import json
import shutil
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.processes import Process, find_program, free_port, wait_until
from support.raw_http import RawConnection, RawResponse

CONFIG = Path(__file__).parents[2] / "config"

_UNVERIFIED_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_UNVERIFIED_TLS.check_hostname, _UNVERIFIED_TLS.verify_mode = False, ssl.CERT_NONE


class TlsConnection(RawConnection):
    """A TLS connection from one of this machine's loopback addresses."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        there = ("127.0.0.1", port)
        plain = socket.create_connection(there, timeout=10, source_address=(source, 0))
        self._socket = _UNVERIFIED_TLS.wrap_socket(plain)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


@dataclass(frozen=True)
class NginxProxy:
    """A running nginx."""

    process: Process
    port: int
    """For TLS."""
    plain_port: int
    folder: Path

    @property
    def url(self) -> str:
        """Return its URL with the name in its certificate."""
        return f"https://localhost:{self.port}"

    def connect(self, source: str = "127.0.0.1") -> TlsConnection:
        """Open a connection."""
        return TlsConnection(self.port, source)

    def send(self, *parts: bytes, source: str = "127.0.0.1") -> RawResponse:
        """Return the response to one request on a new connection."""
        with self.connect(source) as line:
            line.send(*parts)
            return line.read_response()

    def access_log(self) -> list[dict[str, Any]]:
        """Return the lines of the access log."""
        lines = (self.folder / "access.log").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def access_log_entry(self, reply: RawResponse) -> dict[str, Any]:
        """Return the access log's line for a response, which nginx writes after the response."""
        asked_as = reply.headers["request-id"]
        wait_until(lambda: asked_as in str(self.access_log()), "the access log")
        return next(line for line in self.access_log() if line["request_id"] == asked_as)

    def error_log(self) -> str:
        """Return the error log."""
        return (self.folder / "error.log").read_text("utf-8")


def install(folder: Path, certificate: Path, port: int, plain_port: int, *apis: int) -> Path:
    """Install the shipped configuration in a folder, with the operator's own files."""
    text = (CONFIG / "nginx.conf").read_text("utf-8")
    for shipped, here in {
        "listen 80 default_server": f"listen 127.0.0.1:{plain_port} default_server",
        "listen [::]:80 default_server;": "",
        "listen 443 ssl default_server": f"listen 127.0.0.1:{port} ssl default_server",
        "listen [::]:443 ssl default_server;": "",
        "/var/log/nginx/access.log": f"{folder}/access.log",
        "/var/log/nginx/error.log": f"{folder}/error.log",
    }.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, here)
    (folder / "tls").mkdir(parents=True)
    for name in ("fullchain.pem", "privkey.pem"):
        shutil.copy(certificate, folder / "tls" / name)
    upstream = (CONFIG / "nginx-upstream.conf").read_text("utf-8")
    servers = [upstream.replace("127.0.0.1:8000", f"127.0.0.1:{api}") for api in apis]
    (folder / "otpvoice-upstream.conf").write_text("".join(servers), "utf-8")
    conf = folder / "nginx.conf"
    conf.write_text(text, "utf-8")
    return conf


@contextmanager
def run_nginx(folder: Path, certificate: Path, *apis: int) -> Iterator[NginxProxy]:
    """Run the shipped nginx in front of APIs on these ports."""
    nginx, port = find_program("nginx"), free_port()
    while (plain_port := free_port()) == port:  # nothing listens there yet
        pass
    conf = install(folder, certificate, port, plain_port, *apis)
    command = [nginx, "-c", str(conf), "-g", f"daemon off; pid {folder}/pid;"]
    with Process(command, folder / "start.log") as process:
        proxy = NginxProxy(process, port, plain_port, folder)
        wait_until(lambda: _accepts_connections(proxy), f"nginx to start; see {folder}")
        yield proxy
        assert process.terminate() == 0


def _accepts_connections(proxy: NginxProxy) -> bool:
    assert proxy.process.is_running, (proxy.folder / "start.log").read_text("utf-8")
    try:
        with proxy.connect():
            return True
    except OSError:
        return False
