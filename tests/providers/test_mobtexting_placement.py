"""Placing a call with Mobtexting: docs/provider.md, sections 1 and 2, on a real socket."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

import pytest

from otpvoice.core.verification import Route
from otpvoice.http_client import Deadlines, HttpClient
from otpvoice.providers.base import OutboundCall, PlacementOutcome, PlacementResult
from otpvoice.providers.mobtexting.provider import Mobtexting

TOKEN = "38e896f55670311982434e929559bxxxx"
CALL_ID = "call_0123456789abcdef0123456789abcdef"

# The documented replies, byte for byte.
OBD_OLD = (
    b'{"status":200,"message":"1 numbers accepted for delivery.","data":[{'
    b'"id":"70fa87e0-9df9-4327-bc80-a561c48703d8:1","mobile":"918919525224","charges":"0.5000",'
    b'"customid":"","customid1":"","iso_code":null,"submitted_at":"2019-08-16 15:09:51"}]}'
)
OBD_NEW = (
    b'{"status":"OK","message":"Calls queued successfully","data":[{'
    b'"id":"0a1b2c3d-0000-4000-8000-0123456789ab","channel":"outgoing","caller_id":"918068280000",'
    b'"mobile":"918867135000","flow_id":"351","credits":1,'
    b'"created_at":"2024-07-10T06:09:43.054164Z","foreign_id":null,"options":null,'
    b'"status":"queued"}]}'
)
C2C_ID = (
    b'{\n"callId": "26074c32-b316-4ffa-99d7-9f6a99da56d6",\n'
    b'"message": "call initiated successfully",\n"status": 200\n}'
)
C2C_NO_ID = b'{\n"status": 200,\n"message": "Call initiated successfully"\n}'


class ProviderStub(ThreadingHTTPServer):
    """Records every request and gives the same reply to all."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/api/v2/"
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = OBD_OLD
        self.requests: list[tuple[str, dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: ProviderStub

    def do_POST(self) -> None:
        """Record and reply."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.requestline, dict(self.headers), body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def http() -> HttpClient:
    """One client for all tests."""
    return HttpClient()


@pytest.fixture
def stub() -> Iterator[ProviderStub]:
    """A stub on a real socket."""
    with ProviderStub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def outbound_call(route: Route = Route.OBD, **changes: Any) -> OutboundCall:
    """Order the usual call."""
    usual: dict[str, Any] = {
        "call_id": CALL_ID,
        "route": route,
        "number": "+918867135000",
        "bridge": "918068280000",
        "flow_id": "24",
        "name": "Asha Rao",
        "code": "1, 2, 3, 4, 5, 6",
    }
    return OutboundCall(**{**usual, **changes})


def place(
    stub: ProviderStub, http: HttpClient, call: OutboundCall, **settings: Any
) -> PlacementResult:
    """Place a call with the stub."""
    now = time.monotonic()
    provider = Mobtexting(base_url=stub.url, token=TOKEN, http=http, **settings)
    return provider.place(call, Deadlines(send_by=now + 5, finish_by=now + 5))


def sent(stub: ProviderStub) -> dict[str, Any]:
    """Give the JSON body of the one request."""
    ((_, _, body),) = stub.requests
    members = json.loads(body)
    assert isinstance(members, dict)
    return members


# Section 1


def test_obd_request(stub: ProviderStub, http: HttpClient) -> None:
    """OBD posts flat bracket keys, all strings, the number without +, the token in the header."""
    place(stub, http, outbound_call())
    ((line, headers, body),) = stub.requests
    assert line == "POST /api/v2/outgoing/send HTTP/1.1"
    assert headers == {
        "Host": f"127.0.0.1:{stub.server_port}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Authorization": f"Bearer {TOKEN}",
        "Content-Length": str(len(body)),
        "Content-Type": "application/json",
        "User-Agent": "otpvoice",
    }
    assert body == (
        b'{"bridge": "918068280000", "to": "918867135000", "flow_id": "24", '
        b'"variables[Name]": "Asha Rao", "variables[otp]": "1, 2, 3, 4, 5, 6", "name": "otp"}'
    )


def test_c2c_request(stub: ProviderStub, http: HttpClient) -> None:
    """C2C calls the person (``from``), then the flow; never records, never redials unasked."""
    stub.body = C2C_ID
    place(stub, http, outbound_call(Route.C2C, flow_id="220"))
    ((line, headers, body),) = stub.requests
    assert line == "POST /api/v2/voice/c2c HTTP/1.1"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert body == (
        b'{"bridge": "918068280000", "from": "918867135000", "to": "flow:220", '
        b'"mid": "call_0123456789abcdef0123456789abcdef", '
        b'"variables[Name]": "Asha Rao", "variables[otp]": "1, 2, 3, 4, 5, 6", '
        b'"record": "0", "duration": "1", "attempts": "0"}'
    )


def test_obd_options(stub: ProviderStub, http: HttpClient) -> None:
    """Interval and webhook are sent only if set, a campaign always but when emptied."""
    place(stub, http, outbound_call(), interval=15, webhook_id="w-7", campaign="")
    members = sent(stub)
    assert (members["interval"], members["webhook_id"]) == ("15", "w-7")
    assert "name" not in members


def test_c2c_options(stub: ProviderStub, http: HttpClient) -> None:
    """C2C sends its own options and webhook, and nothing that belongs to OBD."""
    options = {"c2c_attempts": 2, "c2c_duration": 3, "audio": "a-1", "interval": 15}
    place(stub, http, outbound_call(Route.C2C), webhook_id="w-7", **options)
    members = sent(stub)
    assert (members["attempts"], members["duration"], members["record"]) == ("2", "3", "0")
    assert members["webhook_id"] == "w-7"
    assert not {"audio", "interval", "name", "flow_id"} & members.keys()


@pytest.mark.parametrize(
    "audio", ["39888925-718e-43bb-a8b1-d4a3XXXXX", "http://youraudiofilelocation.mp3"]
)
def test_obd_audio(stub: ProviderStub, http: HttpClient, audio: str) -> None:
    """With a sound there is no flow, and neither code nor name is sent."""
    place(stub, http, outbound_call(), audio=audio)
    assert sent(stub) == {
        "bridge": "918068280000",
        "to": "918867135000",
        "audio": audio,
        "name": "otp",
    }


def test_name_in_any_script(stub: ProviderStub, http: HttpClient) -> None:
    """A name arrives as it is, in any script."""
    place(stub, http, outbound_call(name="आशा D'Souza"))
    assert sent(stub)["variables[Name]"] == "आशा D'Souza"


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_base_url(stub: ProviderStub, http: HttpClient, end: str) -> None:
    """The base address may end in a slash or not, and may be another brand's."""
    stub.url = f"http://127.0.0.1:{stub.server_port}/other/brand{end}"
    place(stub, http, outbound_call())
    assert stub.requests[0][0] == "POST /other/brand/outgoing/send HTTP/1.1"


def test_nothing_secret_in_texts() -> None:
    """Neither an order nor the adapter shows a number, a name, a code or a secret when printed."""
    provider = Mobtexting(
        base_url="http://x/",
        token=TOKEN,
        webhook_secrets=("hush-1",),
        path_tokens=("hush-2",),
        validation_key="hush-3",
    )
    text = repr(outbound_call()) + repr(provider)
    assert not [s for s in ("8867135000", "Asha", "1, 2", TOKEN, "hush") if s in text]


def test_unknown_timezone() -> None:
    """A time zone that does not exist fails at the start."""
    with pytest.raises(ZoneInfoNotFoundError):
        Mobtexting(base_url="http://x/", token=TOKEN, timezone="Asia/Nowhere")


# Section 2


@pytest.mark.parametrize("http_status", [200, 202])
@pytest.mark.parametrize(
    ("route", "body", "provider_id"),
    [
        (Route.OBD, OBD_OLD, "70fa87e0-9df9-4327-bc80-a561c48703d8"),
        (Route.OBD, OBD_NEW, "0a1b2c3d-0000-4000-8000-0123456789ab"),
        (Route.OBD, b'{"status":"200","data":[{"id":71}]}', "71"),
        (Route.OBD, b'{"status":"ok","data":[{"mobile":"918867135000"}]}', None),
        (Route.OBD, b'{"status":200,"data":[{"id":{"x":1}}]}', None),
        (Route.OBD, b'{"status":200,"data":["x"]}', None),
        (Route.OBD, b'{"status":200,"data":{"id":"x"}}', "x"),
        (Route.C2C, C2C_ID, "26074c32-b316-4ffa-99d7-9f6a99da56d6"),
        (Route.C2C, C2C_NO_ID, None),
        (Route.C2C, b'\xef\xbb\xbf {"status":"OK","callId":"a:12",}', "a"),
    ],
)
def test_accepted(
    stub: ProviderStub,
    http: HttpClient,
    http_status: int,
    route: Route,
    body: bytes,
    provider_id: str | None,
) -> None:
    """Accepted is 200 or 202 with a status of 200, "200" or OK; the id comes without its tail."""
    stub.status, stub.body = http_status, body
    number = "+918919525224" if body is OBD_OLD else "+918867135000"
    placement = place(stub, http, outbound_call(route, number=number))
    assert placement.outcome is PlacementOutcome.ACCEPTED
    assert placement.provider_id == provider_id


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"status":200,"data":[]}', PlacementOutcome.REFUSED),
        (b'{"status":"OK"}', PlacementOutcome.REFUSED),
        (b'{"status":"OK","data":null}', PlacementOutcome.REFUSED),
        (b'{"status":401,"message":"Unauthenticated."}', PlacementOutcome.MISCONFIGURED),
        (b'{"status":"402"}', PlacementOutcome.MISCONFIGURED),
        (b'{"status":403}', PlacementOutcome.MISCONFIGURED),
        (b'{"status":302}', PlacementOutcome.MISCONFIGURED),
        (b'{"status":422,"message":"Invalid flow"}', PlacementOutcome.REFUSED),
        (b'{"status":"404"}', PlacementOutcome.REFUSED),
        (b'{"status":429}', PlacementOutcome.BACK_OFF),
        (b'{"status":500}', PlacementOutcome.AMBIGUOUS),
        (b'{"status":"ERROR"}', PlacementOutcome.REFUSED),
        (b'{"status":"failed"}', PlacementOutcome.REFUSED),
        (b'{"status":"Not OK"}', PlacementOutcome.REFUSED),
        # Not success, and nothing that HTTP calls a failure.
        (b'{"status":202}', PlacementOutcome.AMBIGUOUS),
        (b'{"status":0}', PlacementOutcome.AMBIGUOUS),
        (b'{"status":-1}', PlacementOutcome.AMBIGUOUS),
        (b'{"status":1e400}', PlacementOutcome.AMBIGUOUS),
        (b'{"status":""}', PlacementOutcome.AMBIGUOUS),
        (b'{"status":true}', PlacementOutcome.AMBIGUOUS),
        (b'{"message":"hello"}', PlacementOutcome.AMBIGUOUS),
        # No readable JSON.
        (b"", PlacementOutcome.AMBIGUOUS),
        (b"<html>OK</html>", PlacementOutcome.AMBIGUOUS),
        (b"[]", PlacementOutcome.AMBIGUOUS),
        (b"200", PlacementOutcome.AMBIGUOUS),
        (b'{"status":200,"data":[{"id":"7', PlacementOutcome.AMBIGUOUS),
        (b'{"status":200,"data":"\xff"}', PlacementOutcome.AMBIGUOUS),
        (b'{"a":' * 10_000, PlacementOutcome.AMBIGUOUS),
        (b'{"status":' + b"9" * 5_000 + b"}", PlacementOutcome.AMBIGUOUS),
        (b" " * 70_000, PlacementOutcome.AMBIGUOUS),
    ],
)
def test_200_that_does_not_accept(
    stub: ProviderStub, http: HttpClient, body: bytes, outcome: PlacementOutcome
) -> None:
    """A 200 means what its body's status says; if that is not clear, the phone may ring."""
    stub.body = body
    assert place(stub, http, outbound_call()).outcome is outcome


@pytest.mark.parametrize("body", [b"", b"<html>", OBD_OLD, b'{"status":200,"data":[1]}'])
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (201, PlacementOutcome.AMBIGUOUS),
        (204, PlacementOutcome.AMBIGUOUS),
        (301, PlacementOutcome.MISCONFIGURED),
        (302, PlacementOutcome.MISCONFIGURED),
        (307, PlacementOutcome.MISCONFIGURED),
        (400, PlacementOutcome.REFUSED),
        (401, PlacementOutcome.MISCONFIGURED),
        (402, PlacementOutcome.MISCONFIGURED),
        (403, PlacementOutcome.MISCONFIGURED),
        (404, PlacementOutcome.MISCONFIGURED),
        (405, PlacementOutcome.MISCONFIGURED),
        (410, PlacementOutcome.REFUSED),
        (422, PlacementOutcome.REFUSED),
        (429, PlacementOutcome.BACK_OFF),
        (500, PlacementOutcome.AMBIGUOUS),
        (502, PlacementOutcome.AMBIGUOUS),
        (504, PlacementOutcome.AMBIGUOUS),
    ],
)
def test_other_statuses(
    stub: ProviderStub, http: HttpClient, status: int, outcome: PlacementOutcome, body: bytes
) -> None:
    """Any other HTTP status decides alone, whatever the body says."""
    stub.status, stub.body = status, b"" if status == 204 else body
    placement = place(stub, http, outbound_call())
    assert placement.outcome is outcome
    assert placement.detail.startswith(f"HTTP {status}")
    assert placement.provider_id is None


def test_redirect_is_not_followed(stub: ProviderStub, http: HttpClient) -> None:
    """A 307 is a wrong address in the settings: the code is posted once."""
    stub.status, stub.headers = 307, {"Location": "/api/v2/outgoing/send"}
    assert place(stub, http, outbound_call()).outcome is PlacementOutcome.MISCONFIGURED
    assert len(stub.requests) == 1


@pytest.mark.parametrize(("status", "body"), [(429, b""), (200, b'{"status":"429"}')])
def test_back_off(stub: ProviderStub, http: HttpClient, status: int, body: bytes) -> None:
    """A back-off tells how long, if the stub did."""
    stub.status, stub.body = status, body
    assert place(stub, http, outbound_call()).retry_after_s is None
    stub.headers = {"Retry-After": "7"}
    assert place(stub, http, outbound_call()).retry_after_s == 7


def test_nobody_there(http: HttpClient) -> None:
    """What provably was not sent is told as unsent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    provider = Mobtexting(base_url=f"http://127.0.0.1:{port}/", token=TOKEN, http=http)
    now = time.monotonic()
    placement = provider.place(outbound_call(), Deadlines(now + 5, now + 5))
    assert placement == PlacementResult(PlacementOutcome.UNSENT, "ConnectionRefusedError")


def test_no_reply(http: HttpClient) -> None:
    """A request that was sent and not answered may ring."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        provider = Mobtexting(base_url=url, token=TOKEN, http=http)
        now = time.monotonic()
        placement = provider.place(outbound_call(), Deadlines(now + 5, now + 0.2))
    assert placement == PlacementResult(PlacementOutcome.AMBIGUOUS, "TimeoutError")


@pytest.mark.parametrize(
    ("message", "detail"),
    [
        ("Unauthenticated.", "HTTP 200, status 401: Unauthenticated."),
        ("", "HTTP 200, status 401"),
        (["no", "text"], "HTTP 200, status 401"),
        ("Number +918867135000 is on the list", "HTTP 200, status 401: Number … is on the list"),
        ("otp 1, 2, 3, 4, 5, 6 refused", "HTTP 200, status 401: otp … … … … … … refused"),
        ("Dear ASHA RAO: no\tcredit\x00", "HTTP 200, status 401: Dear …: no credit"),
        (f"token={TOKEN}!", "HTTP 200, status 401: token=…!"),
        ("१२३ देखो", "HTTP 200, status 401: … देखो"),
    ],
)
def test_detail(stub: ProviderStub, http: HttpClient, message: object, detail: str) -> None:
    """Operators read the vendor's words, less the token, the name and every word with a digit."""
    stub.body = json.dumps({"status": 401, "message": message}).encode()
    assert place(stub, http, outbound_call()).detail == detail


def test_long_detail(stub: ProviderStub, http: HttpClient) -> None:
    """A detail has at most 120 characters, however long the vendor's words, and takes no time."""
    stub.body = json.dumps({"status": 422, "message": "x" * 60_000}).encode()
    assert len(place(stub, http, outbound_call()).detail) == 120
