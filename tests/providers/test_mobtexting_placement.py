"""Requests that place calls with Mobtexting, on a real socket: docs/provider.md, section 1."""

import json
import socket
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

import pytest
from providers.provider_stub import ProviderStub
from providers.reply_samples import OBD_OLDER, TOKEN, outbound_call
from providers.scripted_server import ScriptedServer, http_response
from structlog.testing import capture_logs

from otpvoice.core.verification import Route
from otpvoice.http_client import Deadlines, HttpClient
from otpvoice.providers.base import OutboundCall, PlacementOutcome, PlacementResult
from otpvoice.providers.mobtexting.provider import Mobtexting

CALL = outbound_call(number="+918919525224")


def place(
    url: str, http: HttpClient, call: OutboundCall = CALL, **settings: Any
) -> PlacementResult:
    """Place a call with the provider at this address."""
    provider = Mobtexting(base_url=url, token=TOKEN, http=http, **settings)
    return provider.place(call, Deadlines.within(5))


def sent_members(stub: ProviderStub) -> dict[str, Any]:
    """Return the members of the one request."""
    (request,) = stub.requests
    members = json.loads(request.body)
    assert isinstance(members, dict)
    return members


# Requests


def test_obd_request(stub: ProviderStub, http: HttpClient) -> None:
    """Flat bracket keys, all values strings, the number without +, the token in the header."""
    stub.respond(OBD_OLDER)
    assert place(stub.url, http).outcome is PlacementOutcome.ACCEPTED
    (request,) = stub.requests
    assert (request.method, request.path) == ("POST", "/api/v2/outgoing/send")
    assert request.headers == {
        "Host": f"127.0.0.1:{stub.server_port}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Authorization": f"Bearer {TOKEN}",
        "Content-Length": str(len(request.body)),
        "Content-Type": "application/json",
        "User-Agent": "otpvoice",
    }
    assert request.body == (
        b'{"bridge": "918068280000", "to": "918919525224", "flow_id": "24", '
        b'"variables[Name]": "Asha Rao", "variables[otp]": "1, 2, 3, 4, 5, 6", "name": "otp"}'
    )


def test_c2c_request(stub: ProviderStub, http: HttpClient) -> None:
    """The recipient is ``from``, the flow ``to``; recording and redials are off."""
    stub.respond(b'{"status":200,"callId":"7"}')
    place(stub.url, http, outbound_call(Route.C2C, flow_id="220"))
    (request,) = stub.requests
    assert request.path == "/api/v2/voice/c2c"
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.body == (
        b'{"bridge": "918068280000", "from": "918867135000", "to": "flow:220", '
        b'"mid": "call_0123456789abcdef0123456789abcdef", '
        b'"variables[Name]": "Asha Rao", "variables[otp]": "1, 2, 3, 4, 5, 6", '
        b'"record": "0", "duration": "1", "attempts": "0"}'
    )


def test_obd_options(stub: ProviderStub, http: HttpClient) -> None:
    """Interval and webhook are sent only if set, and a campaign unless it is empty."""
    stub.respond(OBD_OLDER)
    place(stub.url, http, interval=15, webhook_id="w-7", campaign="")
    members = sent_members(stub)
    assert (members["interval"], members["webhook_id"]) == ("15", "w-7")
    assert "name" not in members


def test_c2c_options(stub: ProviderStub, http: HttpClient) -> None:
    """C2C sends its own options and the webhook, and no option of OBD."""
    stub.respond(b'{"status":200,"callId":"7"}')
    options = {"c2c_attempts": 2, "c2c_duration": 3, "audio": "a-1", "interval": 15}
    place(stub.url, http, outbound_call(Route.C2C), webhook_id="w-7", **options)
    members = sent_members(stub)
    assert (members["attempts"], members["duration"], members["record"]) == ("2", "3", "0")
    assert members["webhook_id"] == "w-7"
    assert not {"audio", "interval", "name", "flow_id"} & members.keys()


@pytest.mark.parametrize(
    "audio", ["39888925-718e-43bb-a8b1-d4a3XXXXX", "http://youraudiofilelocation.mp3"]
)
def test_obd_audio_replaces_flow_and_variables(
    stub: ProviderStub, http: HttpClient, audio: str
) -> None:
    """With a sound, neither code nor name is sent."""
    stub.respond(OBD_OLDER)
    place(stub.url, http, audio=audio)
    assert sent_members(stub) == {
        "bridge": "918068280000",
        "to": "918919525224",
        "audio": audio,
        "name": "otp",
    }


def test_name_in_any_script_is_sent_unchanged(stub: ProviderStub, http: HttpClient) -> None:
    """JSON escapes do not change it."""
    stub.respond(OBD_OLDER)
    place(stub.url, http, outbound_call(name="आशा D'Souza"))
    assert sent_members(stub)["variables[Name]"] == "आशा D'Souza"


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_base_url_may_be_another_brands(stub: ProviderStub, http: HttpClient, end: str) -> None:
    """It may end in a slash or not."""
    stub.respond(OBD_OLDER)
    place(f"http://127.0.0.1:{stub.server_port}/other/brand{end}", http)
    assert stub.requests[0].path == "/other/brand/outgoing/send"


def test_repr_shows_no_secret() -> None:
    """Neither a call nor the adapter shows a number, a name, a code or a secret."""
    provider = Mobtexting(
        base_url="http://x/",
        token=TOKEN,
        webhook_secrets=("hush-1",),
        path_tokens=("hush-2",),
        validation_key="hush-3",
    )
    text = repr(outbound_call()) + repr(provider)
    assert not [s for s in ("8867135000", "Asha", "1, 2", TOKEN, "hush") if s in text]


def test_unknown_timezone_fails_at_start() -> None:
    """A wrong setting must not wait for the first callback."""
    with pytest.raises(ZoneInfoNotFoundError):
        Mobtexting(base_url="http://x/", token=TOKEN, timezone="Asia/Nowhere")


# Results


def test_redirect_is_misconfigured_and_not_followed(stub: ProviderStub, http: HttpClient) -> None:
    """``base_url`` is wrong; the code is posted once."""
    stub.respond(b"", 307)
    stub.headers = {"Location": "/api/v2/outgoing/send"}
    assert place(stub.url, http).outcome is PlacementOutcome.MISCONFIGURED
    assert len(stub.requests) == 1


@pytest.mark.parametrize(("status", "body"), [(429, b""), (200, b'{"status":"429"}')])
def test_back_off_has_retry_after(
    stub: ProviderStub, http: HttpClient, status: int, body: bytes
) -> None:
    """The wait is the provider's, if it names one."""
    stub.respond(body, status)
    assert place(stub.url, http).retry_after_s is None
    stub.headers = {"Retry-After": "7"}
    assert place(stub.url, http).retry_after_s == 7


def test_refused_connection_is_unsent(http: HttpClient) -> None:
    """Nothing reached the provider, so a retry is allowed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = place(f"http://127.0.0.1:{port}/", http)
    assert result == PlacementResult(PlacementOutcome.UNSENT, "ConnectionRefusedError")


def test_request_without_reply_is_ambiguous(http: HttpClient) -> None:
    """The phone may ring."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        provider = Mobtexting(base_url=url, token=TOKEN, http=http)
        result = provider.place(CALL, Deadlines.within(0.2))
    assert result == PlacementResult(PlacementOutcome.AMBIGUOUS, "TimeoutError")


@pytest.mark.parametrize(
    ("route", "members"),
    [
        (Route.OBD, {"status": "OK", "data": {"id": "7", "mobile": "+91 88671 35001"}}),
        (Route.C2C, {"status": 200, "callId": "7", "from": "918867135001"}),
    ],
)
def test_reply_about_another_number_is_ambiguous(
    server: ScriptedServer, http: HttpClient, route: Route, members: dict[str, Any]
) -> None:
    """Its id is dropped, an error is logged, and the next request uses a new connection."""
    good = b'{"status":200,"callId":"8","data":[{"id":"8"}]}'
    server.respond(http_response(json.dumps(members).encode()), http_response(good))
    call = outbound_call(route)
    with capture_logs() as logged:
        result = place(server.url, http, call)
    detail = "HTTP 200, the reply is about another number"
    assert result == PlacementResult(PlacementOutcome.AMBIGUOUS, detail)
    assert [(line["event"], line["log_level"]) for line in logged] == [
        ("provider.reply_mismatch", "error")
    ]
    assert call.number[1:] not in str(logged)
    assert place(server.url, http, call).provider_id == "8"
    assert server.connections == [1, 2]


def test_interim_reply_does_not_shift_ids(server: ScriptedServer, http: HttpClient) -> None:
    """A 103 on a kept connection must not give the next call the id of the call before."""
    replies = [http_response(b'{"status": 200, "callId": "%d"}' % n) for n in (1, 2)]
    server.respond(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + replies[0], replies[1])
    call = outbound_call(Route.C2C)
    assert [place(server.url, http, call).provider_id for _ in replies] == ["1", "2"]
