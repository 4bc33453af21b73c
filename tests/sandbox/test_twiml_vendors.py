"""The simulator's APIs of Twilio, Telnyx and SignalWire: strict requests, queries, and the page."""

import re
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from sandbox.vendor import TOKEN, ended_calls, set_behaviour

from otpvoice_sandbox import RunningSandbox, SandboxConfig

ACCOUNT = "AC00000000000000000000000000000001"
PERSON = "+918867135000"
DOCUMENT = "<Response><Say>Your code is 1, 2, 3</Say><Hangup/></Response>"
GATHER = (
    '<Response><Gather numDigits="1" timeout="8" action="http://127.0.0.1:9/k" method="POST">'
    "<Say>Press 1</Say></Gather></Response>"
)
FORM = {"To": PERSON, "From": "+918068280000", "Twiml": DOCUMENT}
PATHS = {
    "twilio": "/2010-04-01/Accounts/{}/Calls.json",
    "signalwire": "/api/laml/2010-04-01/Accounts/{}/Calls.json",
    "telnyx": "/v2/texml/Accounts/{}/Calls",
}


def send(
    sandbox: RunningSandbox, method: str, url: str = "", vendor: str = "twilio", **options: Any
) -> requests.Response:
    """Send a request with the account's credentials."""
    if vendor == "telnyx":
        options.setdefault("headers", {"Authorization": f"Bearer {TOKEN}"})
    else:
        options.setdefault("auth", (ACCOUNT, TOKEN))
    path = url or PATHS[vendor].format(ACCOUNT)
    return requests.request(method, sandbox.url + path, timeout=10, **options)


def place(sandbox: RunningSandbox, **changes: Any) -> requests.Response:
    """Request a call with Twilio; None leaves a member out."""
    form = {name: value for name, value in {**FORM, **changes}.items() if value is not None}
    return send(sandbox, "POST", data=form)


def place_with_telnyx(sandbox: RunningSandbox, **changes: Any) -> requests.Response:
    """Request a call with Telnyx; None leaves a member out."""
    body = {"To": PERSON, "From": FORM["From"], "Texml": DOCUMENT, "ApplicationSid": "12345"}
    changed = {name: value for name, value in {**body, **changes}.items() if value is not None}
    return send(sandbox, "POST", vendor="telnyx", json=changed)


def test_reply_is_the_documented_resource(sandbox: RunningSandbox) -> None:
    """201, queued, with an id."""
    reply = place(sandbox)
    assert reply.status_code == 201
    call = reply.json()
    assert re.fullmatch(r"CA[0-9a-f]{32}", call["sid"])
    assert (call["status"], call["to"], call["from"]) == ("queued", PERSON, FORM["From"])
    assert (call["duration"], call["start_time"], call["end_time"]) == (None, None, None)


def test_telnyx_reply_has_no_id(sandbox: RunningSandbox) -> None:
    """As its reference types it; an option of the phone adds the id."""
    assert place_with_telnyx(sandbox).json() == {
        "from": FORM["From"],
        "to": PERSON,
        "status": "queued",
    }
    set_behaviour(sandbox, "answer", telnyx_sid="sent")
    assert place_with_telnyx(sandbox).json()["call_sid"].startswith("v3:")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": None}, 21211),
        ({"To": "918867135000"}, 21211),
        ({"From": "ACME"}, 21212),
        ({"Twiml": None}, 12100),
        ({"Twiml": "<Response>"}, 12100),
        ({"Twiml": "<Say>1</Say>"}, 12100),
        ({"Twiml": "<Response/>"}, 12100),
        ({"Twiml": "<Response><Say> </Say></Response>"}, 12100),
        ({"Twiml": "<Response><Play>http://x/</Play></Response>"}, 12100),
        ({"Twiml": "<Response><Say><b>1</b></Say></Response>"}, 12100),
        ({"Twiml": "<Response><Say>1<break/></Say></Response>"}, 12100),
        ({"Twiml": f"<Response><Say>{'1' * 4000}</Say></Response>"}, 12100),
        ({"Twiml": '<!DOCTYPE r [<!ENTITY a "1">]><Response><Say>&a;</Say></Response>'}, 12100),
        ({"Twiml": "<Response><Hangup/></Response>"}, 12100),
        ({"Twiml": GATHER.replace("<Gather ", "<Gather x='1' ")}, 12100),
        ({"Twiml": GATHER.replace("http", "ftp")}, 12100),
        ({"Twiml": GATHER.replace("action", "validDigits")}, 12100),
        ({"Twiml": GATHER.replace('"8"', '"0"')}, 12100),
        ({"Twiml": GATHER.replace("POST", "GET")}, 12100),
        ({"Twiml": GATHER.replace("<Say>", "<Pause/><Say>")}, 12100),
        ({"Twiml": re.sub(' action="[^"]*"', "", GATHER)}, 12100),
        ({"StatusCallback": "otp.example.com"}, 21609),
        ({"Url": "https://otp.example.com"}, 21205),
        ({"Timeout": "601"}, 20001),
        ({"TimeLimit": "0"}, 20001),
    ],
)
def test_mistake_is_refused(sandbox: RunningSandbox, changes: dict[str, Any], code: int) -> None:
    """With the vendor's code; no phone rings, and the request log says why."""
    reply = place(sandbox, **changes)
    assert (reply.status_code, reply.json()["code"]) == (400, code)
    assert not sandbox.state.calls
    (entry,) = sandbox.state.request_log()
    assert (entry["outcome"], entry["refusal"]) == ("refused", reply.json()["message"])


@pytest.mark.parametrize(
    "changes",
    [
        *({"ApplicationSid": None}, {"ApplicationSid": "AP1"}, {"TimeLimit": 29}),
        *({"Timeout": 121}, {"Twiml": DOCUMENT}, {"Timeout": True}, {"To": 918867135000}),
    ],
)
def test_mistake_in_a_request_to_telnyx_is_refused(
    sandbox: RunningSandbox, changes: dict[str, Any]
) -> None:
    """Its limits are narrower."""
    assert place_with_telnyx(sandbox, **changes).status_code == 400


def test_media_type_is_checked(sandbox: RunningSandbox) -> None:
    """Twilio reads forms, Telnyx JSON objects."""
    assert send(sandbox, "POST", json=FORM).status_code == 400
    assert send(sandbox, "POST", vendor="telnyx", data=FORM).status_code == 400
    assert send(sandbox, "POST", vendor="telnyx", json=["x"]).status_code == 400


@pytest.mark.parametrize("vendor", PATHS)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_wrong_credentials_are_refused(sandbox: RunningSandbox, vendor: str, method: str) -> None:
    """Another token, another account, the other scheme, or none."""
    bearer: dict[str, Any] = {"headers": {"Authorization": f"Bearer {TOKEN}"}}
    other_scheme = {"auth": (ACCOUNT, TOKEN), "headers": {}} if vendor == "telnyx" else bearer
    wrong: list[dict[str, Any]] = [
        {"auth": (ACCOUNT, "other"), "headers": {}},
        {"auth": ("AC2", TOKEN), "headers": {}},
        {"auth": None, "headers": {"Authorization": "Bearer other"}},
        {"auth": None, "headers": {}},
        {"auth": None, **other_scheme},
    ]
    for options in wrong:
        reply = send(sandbox, method, vendor=vendor, **options)
        assert (reply.status_code, reply.json()["code"]) == (401, 20003)


def test_language_and_voice_of_a_document(sandbox: RunningSandbox) -> None:
    """The text of all Says is spoken, with a space for each break."""
    say = '<Say language="hi-IN" voice="Polly.Aditi">कोड 1<break time="1s"/>2 &amp; 3</Say>'
    place(sandbox, Twiml=f"<Response>{say}<Pause/>{say}</Response>")
    (call,) = ended_calls(sandbox)
    assert call["spoken"] == "कोड 1 2 & 3 कोड 1 2 & 3"
    assert sandbox.state.calls[0].language == "hi-IN"


def place_with_signalwire(sandbox: RunningSandbox, **changes: Any) -> requests.Response:
    """Request a call with SignalWire; None leaves a member out."""
    body = {"To": PERSON, "From": FORM["From"], **changes}
    form = {name: value for name, value in body.items() if value is not None}
    return send(sandbox, "POST", vendor="signalwire", data=form)


@pytest.mark.parametrize("changes", [{}, {"Url": "x"}, {"Twiml": DOCUMENT}])
def test_signalwire_needs_the_address_of_a_document(
    sandbox: RunningSandbox, changes: dict[str, str]
) -> None:
    """It does not accept one in the request."""
    assert place_with_signalwire(sandbox, **changes).status_code == 400


@pytest.mark.parametrize(
    ("response", "error", "spoken"),
    [
        ((200, DOCUMENT.encode()), None, "Your code is 1, 2, 3"),
        ((404, DOCUMENT.encode()), "11200", ""),
        ((200, b"<html>"), "12100", ""),
        ((200, b"\xff"), "11200", ""),
    ],
)
def test_signalwire_fetches_the_document(
    sandbox: RunningSandbox,
    inbox: SimpleQueue[dict[str, Any]],
    webhook_replies: list[tuple[int, bytes]],
    webhook_uri: str,
    response: tuple[int, bytes],
    error: str | None,
    spoken: str,
) -> None:
    """When the call is answered; the callback reports a document that cannot be spoken."""
    webhook_replies.append(response)
    url = f"{webhook_uri}?call=c1"
    assert place_with_signalwire(sandbox, Url=url, StatusCallback=url).status_code == 201
    fetched, callback = (parse_qs(inbox.get(timeout=10)["body"]) for _ in range(2))
    assert fetched["CallStatus"] == ["in-progress"]
    assert callback["CallStatus"] == ["completed"]
    assert callback.get("ErrorCode") == ([error] if error else None)
    (call,) = ended_calls(sandbox)
    assert call["spoken"] == spoken


def test_callback_is_a_form(
    start: Callable[[SandboxConfig], RunningSandbox],
    config: SandboxConfig,
    inbox: SimpleQueue[dict[str, Any]],
    webhook_uri: str,
) -> None:
    """To the address of the request, with the end of the call; none without an address."""
    sandbox = start(config)
    sid = place(sandbox, StatusCallback=f"{webhook_uri}?call=c1").json()["sid"]
    received = inbox.get(timeout=10)
    assert (received["method"], received["path"]) == ("POST", "/ack/receive?call=c1")
    members = {name: value for name, (value,) in parse_qs(received["body"]).items()}
    assert (members["CallSid"], members["CallStatus"]) == (sid, "completed")
    assert (members["To"], members["From"]) == (PERSON, FORM["From"])
    assert int(members["CallDuration"]) > 0
    place(sandbox)
    ended_calls(sandbox, 2)
    assert inbox.empty()


def test_queries(sandbox: RunningSandbox) -> None:
    """By id, by number and by day, in pages, newest first; another account has none."""
    sids = [place(sandbox).json()["sid"] for _ in range(3)]
    ended_calls(sandbox, 3)
    call = send(sandbox, "GET", f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{sids[0]}.json").json()
    assert (call["sid"], call["status"]) == (sids[0], "completed")
    assert int(call["duration"]) > 0

    def listed(**filters: str) -> list[str]:
        found = send(
            sandbox, "GET", params={name.replace("_", ">"): v for name, v in filters.items()}
        )
        return [each["sid"] for each in found.json()["calls"]]

    assert listed() == sids[::-1]
    assert listed(To=PERSON, From=FORM["From"], StartTime_="2020-01-01") == sids[::-1]
    assert listed(To="+14155550100") == []
    assert listed(StartTime_="2020-01-01T00:00:00Z") == sids[::-1]
    assert listed(StartTime_="2999-01-01") == []
    assert listed(PageSize="2") == sids[:0:-1]
    assert listed(PageSize="2", Page="1") == [sids[0]]
    first = send(sandbox, "GET", params={"PageSize": "2"}).json()
    assert first["next_page_uri"]
    assert not send(sandbox, "GET", params={"PageSize": "3"}).json()["next_page_uri"]
    for wrong in ({"PageSize": "0"}, {"Page": "x"}, {"StartTime>": "today"}):
        assert send(sandbox, "GET", params=wrong).status_code == 400
    other = send(sandbox, "GET", PATHS["twilio"].format("AC2"), auth=("AC2", TOKEN))
    assert other.json()["calls"] == []
    assert send(sandbox, "GET", f"/2010-04-01/Accounts/{ACCOUNT}/Calls/CA1.json").status_code == 404


def test_calls_of_other_vendors_are_not_in_the_call_log(sandbox: RunningSandbox) -> None:
    """Each vendor knows its own calls."""
    place(sandbox)
    ended_calls(sandbox)
    days = {"datetime[end_at]": "Jan 01, 2020 - Dec 31, 2099"}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    reply = requests.get(f"{sandbox.api_url}voice/calls", days, headers=headers, timeout=5)
    assert reply.json()["data"]["data"] == []


def test_page_shows_the_call_without_secrets(sandbox: RunningSandbox, webhook_uri: str) -> None:
    """The address of the callback ends in a secret."""
    place(sandbox, StatusCallback=f"{webhook_uri}/s3cret-path?call=c1")
    ended_calls(sandbox)
    page = requests.get(sandbox.url, headers={"Accept": "text/html"}, timeout=5).text
    assert f"POST /2010-04-01/Accounts/{ACCOUNT}/Calls.json" in page
    assert "+91 88671 35000" in page
    assert "s3cret-path" not in page
    assert TOKEN not in page


def test_call_from_a_number_of_another_account_is_refused() -> None:
    """With Twilio's code for it."""
    config = SandboxConfig(token=TOKEN, numbers=frozenset({"12025550100"}))
    with RunningSandbox(config) as company:
        refused = place(company)
        assert (refused.status_code, refused.json()["code"]) == (400, 21210)
        assert place(company, From="+12025550100").status_code == 201
