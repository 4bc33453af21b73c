"""Requests that place calls with Mobtexting, on a real socket: mobtexting.md, section 1."""

import json
import socket
from dataclasses import replace
from typing import Any

import pytest
from providers.samples import OBD_OLDER, TOKEN, outbound_call
from providers.servers import ScriptedServer, http_response
from structlog.testing import capture_logs

from otpvoice.core.transactions import Transaction, spoken_variables
from otpvoice.http_client import Deadlines, HttpClient
from otpvoice.providers.base import OutboundCall, PlacementOutcome, PlacementResult
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.mobtexting.provider import Mobtexting

CALL = outbound_call(number="+918919525224")


def place(
    url: str, http: HttpClient, call: OutboundCall = CALL, **settings: Any
) -> PlacementResult:
    """Place a call with the provider at this address."""
    provider = Mobtexting(base_url=url, token=TOKEN, http=http, **settings)
    return provider.place(call, Deadlines.within(5))


# Requests


def test_obd_request(server: ScriptedServer, http: HttpClient) -> None:
    """Flat bracket keys, all values strings, the number without +, the token in the header."""
    server.respond(http_response(OBD_OLDER))
    assert place(server.api_url, http).outcome is PlacementOutcome.ACCEPTED
    (request,) = server.requests
    line, *headers = request.head.splitlines()
    assert line == "POST /api/v2/outgoing/send HTTP/1.1"
    assert sorted(filter(None, headers)) == [
        "Accept-Encoding: identity",
        "Accept: application/json",
        f"Authorization: Bearer {TOKEN}",
        f"Content-Length: {len(request.body)}",
        "Content-Type: application/json",
        f"Host: localhost:{server.port}",
        "User-Agent: otpvoice",
    ]
    assert request.body == (
        b'{"bridge": "918068280000", "to": "918919525224", "flow_id": "24", '
        b'"variables[Name]": "Asha Rao", "variables[otp]": "1, 2, 3, 4, 5, 6", "name": "otp"}'
    )


def test_c2c_request() -> None:
    """The recipient is ``from``, the flow ``to``; recording and redials are off."""
    provider = Mobtexting(base_url="http://x/", token=TOKEN)
    request = provider.preview_request(outbound_call(Mode.C2C, flow_id="220"))
    assert request.url == "http://x/voice/c2c"
    assert request.body == (
        b'{"bridge": "918068280000", "from": "918867135000", "to": "flow:220", '
        b'"mid": "call_0123456789abcdef0123456789abcdef", '
        b'"variables[Name]": "Asha Rao", "variables[otp]": "1, 2, 3, 4, 5, 6", '
        b'"record": "0", "duration": "1", "attempts": "0"}'
    )


@pytest.mark.parametrize(
    ("route", "settings", "added", "absent"),
    [
        (
            Mode.OBD,
            {"interval": 15, "webhook_id": "w-7", "campaign": ""},
            {"interval": "15", "webhook_id": "w-7"},
            {"name"},
        ),
        (
            Mode.OBD,
            {"audio": "http://youraudiofilelocation.mp3"},
            {"audio": "http://youraudiofilelocation.mp3"},
            {"flow_id", "variables[Name]", "variables[otp]"},
        ),
        (
            Mode.C2C,
            {"c2c_attempts": 2, "c2c_duration": 3, "webhook_id": "w-7", "audio": "a-1"},
            {"attempts": "2", "duration": "3", "record": "0", "webhook_id": "w-7"},
            {"audio", "interval", "name", "flow_id"},
        ),
    ],
    ids=["obd", "audio", "c2c"],
)
def test_settings_change_the_request(
    route: Mode, settings: dict[str, Any], added: dict[str, str], absent: set[str]
) -> None:
    """Options of the other route are not sent; with a sound, neither code nor name is."""
    provider = Mobtexting(base_url="http://x/", token=TOKEN, **settings)
    members = json.loads(provider.preview_request(outbound_call(route)).body)
    assert members | added == members
    assert not absent & members.keys()


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_request_has_base_url_and_name_in_any_script(end: str) -> None:
    """The address may be another brand's, with or without a slash at its end."""
    provider = Mobtexting(base_url=f"http://x/other/brand{end}", token=TOKEN)
    request = provider.preview_request(outbound_call(name="आशा D'Souza"))
    assert request.url == "http://x/other/brand/outgoing/send"
    assert json.loads(request.body)["variables[Name]"] == "आशा D'Souza"


@pytest.mark.parametrize("mode", Mode)
def test_further_variables_are_sent_to_the_flow(mode: Mode) -> None:
    """Next to name and code, by both routes; a sound gets none."""
    provider = Mobtexting(base_url="http://x/", token=TOKEN)
    call = replace(outbound_call(mode), variables={"brand": "ACME Pay"})
    members = json.loads(provider.preview_request(call).body)
    assert members["variables[brand]"] == "ACME Pay"
    with_sound = Mobtexting(base_url="http://x/", token=TOKEN, audio="a-1").preview_request(call)
    assert ("variables[brand]" in json.loads(with_sound.body)) == (mode is Mode.C2C)


@pytest.mark.parametrize("mode", Mode)
def test_empty_variables_are_not_sent(mode: Mode) -> None:
    """A call without a transaction has none of its variables."""
    provider = Mobtexting(base_url="http://x/", token=TOKEN)
    spoken = [
        spoken_variables(transaction, "hi")
        for transaction in (None, Transaction("2500.00", "INR", "ACME Stores"))
    ]
    plain, paid = (
        json.loads(provider.preview_request(replace(outbound_call(mode), variables=each)).body)
        for each in spoken
    )
    assert paid == plain | {
        "variables[amount]": "2500 रुपये",
        "variables[payee]": "ACME Stores",
    }


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


# Results


@pytest.mark.parametrize(("status", "body"), [(429, b""), (200, b'{"status":"429"}')])
def test_back_off_has_retry_after(
    server: ScriptedServer, http: HttpClient, status: int, body: bytes
) -> None:
    """The wait is the provider's, if it names one."""
    server.respond(
        http_response(body, f"{status} X"), http_response(body, f"{status} X", "Retry-After: 7")
    )
    assert place(server.api_url, http).retry_after_s is None
    assert place(server.api_url, http).retry_after_s == 7


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
        (Mode.OBD, {"status": "OK", "data": {"id": "7", "mobile": "+91 88671 35001"}}),
        (Mode.C2C, {"status": 200, "callId": "7", "from": "918867135001"}),
    ],
)
def test_reply_about_another_number_is_ambiguous(
    server: ScriptedServer, http: HttpClient, route: Mode, members: dict[str, Any]
) -> None:
    """Its id is dropped, an error is logged, and the next request uses a new connection."""
    good = b'{"status":200,"callId":"8","data":[{"id":"8"}]}'
    server.respond(http_response(json.dumps(members).encode()), http_response(good))
    call = outbound_call(route)
    with capture_logs() as logged:
        result = place(server.api_url, http, call)
    detail = "HTTP 200, the reply is about another number"
    assert result == PlacementResult(PlacementOutcome.AMBIGUOUS, detail)
    assert [(line["event"], line["log_level"]) for line in logged] == [
        ("provider.reply_mismatch", "error")
    ]
    assert call.number[1:] not in str(logged)
    assert place(server.api_url, http, call).provider_id == "8"
    assert server.connections == [1, 2]
