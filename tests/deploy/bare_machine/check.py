"""Use the deployed service as its clients do; run inside the machine.

Arguments: the API key. Prints one line for each step that worked.
"""

import http.client
import json
import re
import ssl
import sys
import time
from pathlib import Path
from typing import Any

NUMBER = "919876543210"
SECRETS = Path("/etc/otpvoice/secrets")


class _Proxy(http.client.HTTPSConnection):
    """A connection to nginx on this machine, verified by its certificate."""

    def __init__(self) -> None:
        self._trusted = ssl.create_default_context(cafile="/etc/nginx/tls/fullchain.pem")
        super().__init__("otp.example.com", timeout=10)

    def connect(self) -> None:
        self.host = "127.0.0.1"
        http.client.HTTPConnection.connect(self)
        self.sock = self._trusted.wrap_socket(self.sock, server_hostname="otp.example.com")


def request(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Send one request through nginx; return status and JSON of the response."""
    proxy = _Proxy()
    sent = {"Content-Type": "application/json", "Host": "otp.example.com", **headers}
    proxy.request(method, path, json.dumps(body) if body is not None else None, sent)
    reply = proxy.getresponse()
    return reply.status, json.loads(reply.read() or b"null")


def phone_calls() -> list[dict[str, Any]]:
    """Return the calls of the sandbox's phone."""
    sandbox = http.client.HTTPConnection("127.0.0.1", 8100, timeout=10)
    sandbox.request("GET", f"/phones/{NUMBER}/calls")
    found: list[dict[str, Any]] = json.loads(sandbox.getresponse().read())
    return found


def wait_for(what: str, look: Any) -> Any:
    """Return the first truthy result of ``look``."""
    give_up = time.monotonic() + 120
    last: Any = None
    while time.monotonic() < give_up:
        try:
            if found := look():
                return found
        except (OSError, ValueError, KeyError) as error:
            last = error
        time.sleep(0.1)
    sys.exit(f"waited in vain for {what}: {last!r}")


def main() -> None:
    """Verify a number, and try every secret of a callback."""
    bearer = f"Bearer {sys.argv[1]}"
    ready = (200, {"status": "ok", "degraded": []})
    wait_for("readiness", lambda: request("GET", "/readyz") == ready)
    status, begun = request("POST", "/v1/verifications", {"to": f"+{NUMBER}"}, Authorization=bearer)
    assert status == 201, begun
    spoken = wait_for("a call", lambda: [c["spoken"] for c in phone_calls() if c["spoken"]])
    code = "".join(re.findall(r"\d", spoken[-1]))[:6]
    path = f"/v1/verifications/{begun['id']}"
    status, checked = request("POST", f"{path}/checks", {"code": code}, Authorization=bearer)
    assert (status, checked["valid"]) == (200, True), checked
    ended = wait_for(
        "the callback",
        lambda: [
            call
            for call in request("GET", path, Authorization=bearer)[1]["calls"]
            if call["status"] == "answered"
        ],
    )
    print("verified, heard:", ended[0]["heard"])
    token = (SECRETS / "provider_webhook_path_token").read_text().strip()
    print("callback with stranger:", request("POST", "/webhooks/mobtexting", {})[0])
    print("callback with path token:", request("POST", f"/webhooks/mobtexting/{token}", {})[0])


main()
