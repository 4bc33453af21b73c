"""Requests for calls to vendors of the TwiML family: docs/providers/twiml.md, section 2."""

import base64
import json
import socket
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from providers.servers import ScriptedServer, http_response, send_in_parts
from providers.twiml_samples import (
    ACCOUNT_ID,
    ADDRESSES,
    BRIDGE,
    CALL_ID,
    CREATED,
    NUMBER,
    OTHER_CALL_ID,
    PATH_TOKEN,
    SID,
    TOKEN,
    account,
    outbound_call,
)
from structlog.testing import capture_logs

from otpvoice.http_client import Deadlines, HttpClient
from otpvoice.providers.base import PlacementOutcome, PlacementResult
from otpvoice.providers.twiml.account import Account
from otpvoice.providers.twiml.document import Voice
from otpvoice.providers.twiml.placement import CallOptions
from otpvoice.providers.twiml.provider import Twiml
from otpvoice.providers.twiml.signature import create_verifier
from otpvoice.providers.twiml.vendors import VENDORS, SignatureScheme

CALL = outbound_call(text="{Name}, {otp} & out")
DOCUMENT = (
    "<Response>"
    + '<Pause length="1"/><Say language="hi-IN">Asha, 4, 7, 1, 0 &amp; out</Say>' * 3
    + "<Hangup/></Response>"
)
BASIC = f"Basic {base64.b64encode(f'{ACCOUNT_ID}:{TOKEN}'.encode()).decode()}"


def provider(chosen: Account, http: HttpClient | None = None, **options: Any) -> Twiml:
    """Return the adapter for an account."""
    return Twiml(
        account=chosen,
        addresses=ADDRESSES,
        verifier=create_verifier(SignatureScheme.TWILIO, (TOKEN,)),
        http=http or HttpClient(),
        options=CallOptions(**options),
    )


def place(chosen: Account, http: HttpClient, seconds: float = 5, **options: Any) -> PlacementResult:
    """Place the call of these tests."""
    return provider(chosen, http, **options).place(CALL, Deadlines.within(seconds))


@pytest.mark.parametrize("vendor", ["twilio", "somleng"])
def test_request_is_a_form(server: ScriptedServer, http: HttpClient, vendor: str) -> None:
    """Basic authentication, the document inline, our call in the callback's address."""
    server.respond(http_response(json.dumps(CREATED).encode(), "201 Created"))
    chosen = account(vendor, base_url=f"{server.api_url}x")
    result = place(chosen, http)
    assert result == PlacementResult(PlacementOutcome.ACCEPTED, "HTTP 201", SID)
    (request,) = server.requests
    line, *headers = request.head.splitlines()
    assert line == f"POST /api/v2/x/Accounts/{ACCOUNT_ID}/Calls.json HTTP/1.1"
    assert sorted(filter(None, headers)) == [
        "Accept-Encoding: identity",
        "Accept: application/json",
        f"Authorization: {BASIC}",
        f"Content-Length: {len(request.body)}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Host: localhost:{server.port}",
        "User-Agent: otpvoice",
    ]
    members = parse_qs(request.body.decode(), strict_parsing=True)
    assert {name: value for name, (value,) in members.items()} == {
        "To": NUMBER,
        "From": f"+{BRIDGE}",
        "Twiml": DOCUMENT,
        "StatusCallback": chosen.callback_urls(CALL_ID)[0],
        "StatusCallbackMethod": "POST",
        "Timeout": "45",
        "TimeLimit": "60",
    }


def test_request_to_telnyx_is_json(server: ScriptedServer, http: HttpClient) -> None:
    """Bearer, numbers as numbers, the TeXML application; no time limit below its minimum."""
    server.respond(http_response(json.dumps(CREATED).encode()))
    chosen = account("telnyx", base_url=f"{server.api_url}texml/", id="f5586561-8ff0")
    place(chosen, http, application_id="12345", time_limit_s=5, ring_timeout_s=30)
    (request,) = server.requests
    assert request.head.startswith("POST /api/v2/texml/Accounts/f5586561-8ff0/Calls HTTP/1.1\r\n")
    assert f"\r\nAuthorization: Bearer {TOKEN}\r\n" in request.head
    assert "\r\nContent-Type: application/json\r\n" in request.head
    assert json.loads(request.body) == {
        "To": NUMBER,
        "From": f"+{BRIDGE}",
        "Texml": DOCUMENT,
        "StatusCallback": chosen.callback_urls(CALL_ID)[0],
        "StatusCallbackMethod": "POST",
        "Timeout": 30,
        "TimeLimit": 30,
        "ApplicationSid": "12345",
    }


def test_key_of_an_api_has_its_own_name(server: ScriptedServer, http: HttpClient) -> None:
    """The account stays in the path."""
    server.respond(http_response(json.dumps(CREATED).encode()))
    place(account(base_url=server.api_url, user="SK0001"), http)
    (request,) = server.requests
    expected = base64.b64encode(f"SK0001:{TOKEN}".encode()).decode()
    assert f"\r\nAuthorization: Basic {expected}\r\n" in request.head
    assert f"/Accounts/{ACCOUNT_ID}/Calls.json" in request.head


def test_addresses_of_the_vendors() -> None:
    """Those of their documents; SignalWire's has the name of the operator's space."""
    assert {name: account(name).calls_url() for name in VENDORS if name != "signalwire"} == {
        "twilio": f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_ID}/Calls.json",
        "telnyx": f"https://api.telnyx.com/v2/texml/Accounts/{ACCOUNT_ID}/Calls",
        "somleng": f"https://api.somleng.org/2010-04-01/Accounts/{ACCOUNT_ID}/Calls.json",
    }
    url = account(id="a/../b?c#d").calls_url("v3:x/y")
    assert url.endswith("/Accounts/a%2F..%2Fb%3Fc%23d/Calls/v3%3Ax%2Fy.json")


# The address of the callback


def test_callback_address_names_the_call_and_nothing_else() -> None:
    """Neither number nor code; the path token and the proof that this service made it."""
    (url,) = account().callback_urls(CALL_ID)
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == (
        f"https://otp.example.com/webhooks/voice/{PATH_TOKEN}"
    )
    members = parse_qs(parts.query)
    assert members.keys() == {"call", "mac"}
    assert members["call"] == [CALL_ID]
    (without_token,) = account(path_tokens=()).callback_urls(CALL_ID)
    assert without_token == url.replace(f"/{PATH_TOKEN}", "")


def test_callback_address_cannot_be_made_for_another_call() -> None:
    """Its proof depends on the call and on the account's token."""
    chosen = account()
    macs = {
        parse_qs(urlsplit(url).query)["mac"][0]
        for made_by in (chosen, account(tokens=("other",)))
        for call in (CALL_ID, OTHER_CALL_ID)
        for url in made_by.callback_urls(call)
    }
    assert len(macs) == 4
    assert sum(chosen.is_own_address(CALL_ID, mac, PATH_TOKEN) for mac in macs) == 1
    own = next(mac for mac in macs if chosen.is_own_address(CALL_ID, mac, PATH_TOKEN))
    for call, mac, token in (
        (OTHER_CALL_ID, own, PATH_TOKEN),
        (CALL_ID, own[:-1], PATH_TOKEN),
        (CALL_ID, "", PATH_TOKEN),
        (CALL_ID, "\udc80é", PATH_TOKEN),
        (CALL_ID, own, ""),
        (CALL_ID, own, "other"),
        ("", own, PATH_TOKEN),
        (CALL_ID.upper(), own, PATH_TOKEN),
    ):
        assert not chosen.is_own_address(call, mac, token)


def test_path_tokens_can_be_rotated() -> None:
    """The vendor gets the first one; callbacks for both are accepted."""
    chosen = account(path_tokens=("new", "old"))
    new, old = chosen.callback_urls(CALL_ID)
    assert (urlsplit(new).path, urlsplit(old).path) == (
        "/webhooks/voice/new",
        "/webhooks/voice/old",
    )
    mac = parse_qs(urlsplit(new).query)["mac"][0]
    assert [chosen.is_own_address(CALL_ID, mac, token) for token in ("new", "old", "x", "")] == [
        *(True, True, False, False)
    ]


# Texts


@pytest.mark.parametrize(
    ("locale", "attributes"),
    [
        ("hi", ' language="hi-IN" voice="Polly.Aditi"'),
        ("ta", ' language="ta-IN" voice="Google.ta-IN-Standard-A"'),
        ("en", ' language="en-US" voice="Polly.Raveena"'),
        ("default", ' voice="Polly.Raveena"'),
    ],
)
def test_voice_of_a_language(locale: str, attributes: str) -> None:
    """The language's own voice, or the default one; a set language comes first."""
    voices = {
        "hi": Voice("Polly.Aditi"),
        "ta": Voice("Google.ta-IN-Standard-A", "ta-IN"),
        "default": Voice("Polly.Raveena"),
    }
    adapter = replace(provider(account()), voices=voices)
    request = adapter.preview_request(outbound_call(locale=locale))
    (document,) = parse_qs(request.body.decode())["Twiml"]
    assert f"<Say{attributes}>" in document


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "not sent: the flow has no text"),
        ("x" * 4000, "not sent: its document has more than 4000 characters"),
    ],
)
def test_nothing_is_sent_without_a_text_that_fits(
    server: ScriptedServer, http: HttpClient, text: str, detail: str
) -> None:
    """A call that speaks no code only disturbs; the operator has to correct the settings."""
    adapter = provider(account(base_url=server.api_url), http)
    result = adapter.place(outbound_call(text=text), Deadlines.within(5))
    assert result == PlacementResult(PlacementOutcome.MISCONFIGURED, detail)
    assert not server.requests


# Results


def test_code_is_in_no_address_and_no_log(server: ScriptedServer, http: HttpClient) -> None:
    """It is in the body of the one request; a repr does not show it."""
    server.respond(http_response(b'{"to": "+14155550100", "sid": "CA1"}'))
    request = provider(account()).preview_request(CALL)
    assert "4, 7" not in request.url + repr(request) + repr(provider(account()))
    assert TOKEN not in repr(provider(account()))
    assert PATH_TOKEN not in repr(provider(account()))
    with capture_logs() as logged:
        place(account(base_url=server.api_url), http)
    (line,) = logged
    assert not [secret for secret in ("4, 7", "Asha", NUMBER[1:], TOKEN) if secret in str(line)]


def test_refused_connection_is_unsent(http: HttpClient) -> None:
    """Nothing reached the vendor, so a retry is allowed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = place(account(base_url=f"http://127.0.0.1:{port}"), http)
    assert result == PlacementResult(PlacementOutcome.UNSENT, "ConnectionRefusedError")


def test_request_without_reply_is_ambiguous(http: HttpClient) -> None:
    """The phone may ring."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        result = place(account(base_url=url), http, seconds=0.2)
    assert result == PlacementResult(PlacementOutcome.AMBIGUOUS, "TimeoutError")


REPLY = http_response(json.dumps(CREATED).encode(), "201 Created")


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + REPLY, PlacementOutcome.ACCEPTED),
        (send_in_parts(REPLY[:-5]), PlacementOutcome.AMBIGUOUS),
        (send_in_parts(b""), PlacementOutcome.AMBIGUOUS),
        (send_in_parts(b"garbage\r\n\r\n"), PlacementOutcome.AMBIGUOUS),
        (http_response(b"x" * 70_000, "201 Created"), PlacementOutcome.AMBIGUOUS),
        (
            http_response(b"", "307 X", "Location: http://127.0.0.1:1/"),
            PlacementOutcome.MISCONFIGURED,
        ),
        (http_response(b"", "429 X", "Retry-After: 7"), PlacementOutcome.BACK_OFF),
    ],
    ids=["103", "cut", "closed", "garbage", "huge", "redirect", "429"],
)
def test_reply_leads_to_no_second_request(
    server: ScriptedServer, http: HttpClient, reply: Any, outcome: PlacementOutcome
) -> None:
    """Whatever it is: only the dialer decides on a further request."""
    server.respond(reply)
    result = place(account(base_url=server.api_url), http)
    assert result.outcome is outcome
    assert len(server.requests) == 1
    assert result.retry_after_s == (7 if outcome is PlacementOutcome.BACK_OFF else None)


def test_slow_reply_is_ambiguous_at_the_deadline(server: ScriptedServer, http: HttpClient) -> None:
    """Each byte comes in time, and the whole does not."""
    parts = [REPLY[i : i + 1] for i in range(len(REPLY))]
    server.respond(send_in_parts(*parts, interval_s=0.05))
    result = place(account(base_url=server.api_url), http, seconds=0.5)
    assert result.outcome is PlacementOutcome.AMBIGUOUS


def test_reply_about_another_number_is_ambiguous(server: ScriptedServer, http: HttpClient) -> None:
    """Its id is dropped, an error is logged, and the next request uses a new connection."""
    server.respond(http_response(b'{"to": "+14155550100", "sid": "CA0000000000"}'), REPLY)
    chosen = account(base_url=server.api_url)
    with capture_logs() as logged:
        result = place(chosen, http)
    detail = "HTTP 200, the reply is about another number"
    assert result == PlacementResult(PlacementOutcome.AMBIGUOUS, detail)
    assert [(line["event"], line["log_level"]) for line in logged] == [
        ("provider.reply_mismatch", "error")
    ]
    assert place(chosen, http).provider_id == SID
    assert server.connections == [1, 2]
