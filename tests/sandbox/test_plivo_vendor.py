"""The simulator's API of Plivo: strict requests, signed fetches and callbacks, and records."""

import base64
import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from sandbox.vendor import TOKEN, set_behaviour

from otpvoice_sandbox import RunningSandbox

AUTH_ID = "MAXXXXXXXXXXXXXXXXXX"
PERSON = "918867135000"
SPEAK = '<Speak voice="Polly.Aditi" language="hi-IN">'
DOCUMENT = f"<Response>{SPEAK}Your code is 4<break time='1s'/>7</Speak></Response>"


class Client:
    """A service that answers the vendor's requests with one document, and keeps their forms."""

    def __init__(self) -> None:
        self.document = DOCUMENT
        self.status = 200
        self.forms: list[dict[str, str]] = []
        client = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(parse_qsl(body, keep_blank_values=True))
                nonce = self.headers["X-Plivo-Signature-V3-Nonce"]
                joined = "".join(name + form[name] for name in sorted(form))
                signed = f"{client.url}{self.path}.{joined}.{nonce}".encode()
                digest = hmac.new(TOKEN.encode(), signed, hashlib.sha256).digest()
                signature = base64.b64encode(digest).decode()
                is_signed = signature == self.headers["X-Plivo-Signature-V3"]
                client.forms.append({**form, "path": self.path, "signed": str(is_signed)})
                self.send_response(client.status)
                content = client.document.encode()
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def client() -> Iterator[Client]:
    """Run a client of the vendor."""
    client = Client()
    thread = threading.Thread(target=client.server.serve_forever, args=(0.005,))
    thread.start()
    yield client
    client.server.shutdown()
    thread.join()
    client.server.server_close()


def send(sandbox: RunningSandbox, method: str, path: str, **options: Any) -> requests.Response:
    """Send a request with the account's credentials."""
    options.setdefault("auth", (AUTH_ID, TOKEN))
    url = f"{sandbox.url}/v1/Account/{AUTH_ID}/{path}"
    return requests.request(method, url, timeout=10, **options)


def place(sandbox: RunningSandbox, **changes: Any) -> requests.Response:
    """Request a call; None leaves a member out."""
    body = {"from": "918068280000", "to": PERSON, "answer_url": "http://127.0.0.1:1/a"}
    members = {name: value for name, value in {**body, **changes}.items() if value is not None}
    return send(sandbox, "POST", "Call/", json=members)


def place_and_end(sandbox: RunningSandbox, client: Client, **changes: Any) -> str:
    """Place a call that the client answers; return its request's id after the callback."""
    addresses = {"answer_url": f"{client.url}/a?c=1", "hangup_url": f"{client.url}/h?c=1"}
    reply = place(sandbox, **addresses, **changes)
    assert reply.status_code == 201
    assert sandbox.state.wait_until(lambda: sandbox.state.calls[-1].callback_sent, 10)
    name: str = reply.json()["request_uuid"]
    return name


def test_reply_is_the_documented_one(sandbox: RunningSandbox) -> None:
    """201, call fired."""
    reply = place(sandbox)
    assert (reply.status_code, reply.json()["message"]) == (201, "call fired")
    assert {*reply.json()} == {"api_id", "message", "request_uuid"}


@pytest.mark.parametrize(
    "changes",
    [
        *({"to": None}, {"to": "sip:x@y"}, {"to": "918867135000<918867135001"}),
        *({"from": None}, {"from": "ACME"}, {"answer_url": None}, {"answer_url": "/a"}),
        *({"hangup_url": "x"}, {"answer_method": "GET"}, {"ring_timeout": "soon"}),
        *({"time_limit": 0}, {"code": "471102"}, {"to": 918867135000}),
    ],
)
def test_mistake_is_refused(sandbox: RunningSandbox, changes: dict[str, Any]) -> None:
    """With 400; no phone rings, and the request log says why."""
    reply = place(sandbox, **changes)
    assert reply.status_code == 400
    assert not sandbox.state.calls
    (entry,) = sandbox.state.request_log()
    assert (entry["outcome"], entry["refusal"]) == ("refused", reply.json()["error"])


@pytest.mark.parametrize("auth", [None, ("MAother", TOKEN), (AUTH_ID, "x"), ("", "")])
def test_other_credentials_are_refused(sandbox: RunningSandbox, auth: Any) -> None:
    """For requests and for records."""
    for method, path in (("POST", "Call/"), ("GET", "Call/"), ("GET", "Call/x/")):
        assert send(sandbox, method, path, auth=auth, json={}).status_code == 401


def test_answered_call_speaks_the_document(sandbox: RunningSandbox, client: Client) -> None:
    """It is fetched when the phone is answered; both requests are signed."""
    place_and_end(sandbox, client)
    fetch, callback = client.forms
    assert (fetch["path"], fetch["CallStatus"], fetch["signed"]) == (
        "/a?c=1",
        "in-progress",
        "True",
    )
    assert (callback["path"], callback["CallStatus"]) == ("/h?c=1", "completed")
    assert callback["signed"] == "True"
    (call,) = sandbox.state.phone_calls(PERSON)
    assert call["spoken"] == "Your code is 4 7"
    (shown,) = sandbox.state.calls
    assert shown.language == "hi-IN"


@pytest.mark.parametrize(
    ("document", "status", "code"),
    [
        (DOCUMENT, 404, "7011"),
        (DOCUMENT, 503, "7011"),
        ("", 200, "8011"),
        ("OK", 200, "8011"),
        ('{"code": 404}', 200, "8011"),
        ("<Speak>1</Speak>", 200, "8011"),
        ("<Response><Say>1</Say></Response>", 200, "8011"),
        ("<Response><Speak><break/></Speak></Response>", 200, "8011"),
        (f"<Response>{SPEAK}<b>1</b></Speak></Response>", 200, "8011"),
        ("<Response><Speak rate='1'>1</Speak></Response>", 200, "8011"),
        (f"<Response>{SPEAK}<break/>{'1' * 3000}</Speak></Response>", 200, "8011"),
        ('<!DOCTYPE r [<!ENTITY a "1">]><Response><Speak>&a;</Speak></Response>', 200, "8011"),
    ],
)
def test_unusable_document_ends_the_call(
    sandbox: RunningSandbox, client: Client, document: str, status: int, code: str
) -> None:
    """With the vendor's code, and not a word."""
    client.document, client.status = document, status
    place_and_end(sandbox, client)
    assert client.forms[-1]["HangupCauseCode"] == code
    (call,) = sandbox.state.phone_calls(PERSON)
    assert call["spoken"] == ""


def test_empty_document_ends_the_call(sandbox: RunningSandbox, client: Client) -> None:
    """It is usable."""
    client.document = "<Response></Response>"
    place_and_end(sandbox, client)
    assert client.forms[-1]["HangupCauseName"] == "End Of XML Instructions"


@pytest.mark.parametrize(
    ("behaviour", "options", "expected"),
    [
        ("busy", {}, ("busy", "Busy Line")),
        ("decline", {}, ("busy", "Rejected")),
        ("no_answer", {}, ("timeout", "Ring Timeout Reached")),
        ("answer", {"ends": "CHANUNAVAIL"}, ("failed", "Destination Out Of Service")),
        ("answer", {"ends": "violates_media_anchoring"}, ("failed", "violates_media_anchoring")),
    ],
)
def test_unanswered_call_fetches_nothing(
    sandbox: RunningSandbox,
    client: Client,
    behaviour: str,
    options: dict[str, str],
    expected: tuple[str, str],
) -> None:
    """The cause says why."""
    set_behaviour(sandbox, behaviour, **options)
    place_and_end(sandbox, client)
    (callback,) = client.forms
    assert (callback["CallStatus"], callback["HangupCauseName"]) == expected
    assert callback["AnswerTime"] == ""


@pytest.mark.parametrize("style", ["same", "other"])
def test_record_of_an_ended_call(sandbox: RunningSandbox, client: Client, style: str) -> None:
    """By the call's id, which may be the request's, and by numbers."""
    set_behaviour(sandbox, "answer", plivo_call_uuid=style)
    name = place_and_end(sandbox, client)
    by_request = send(sandbox, "GET", f"Call/{name}/")
    assert by_request.status_code == (200 if style == "same" else 404)
    search = {"to_number": PERSON, "from_number": "918068280000", "limit": 20}
    (record,) = send(sandbox, "GET", "Call/", params=search).json()["objects"]
    assert (record["to_number"], record["call_state"]) == (PERSON, "ANSWER")
    assert re.fullmatch(r"[0-9-]{10} [0-9:]{8}\+00:00", record["answer_time"])
    for other in ({"to_number": "15555555555"}, {"from_number": "1"}):
        assert send(sandbox, "GET", "Call/", params=search | other).json()["objects"] == []
    assert send(sandbox, "GET", "Call/", params={"limit": "21"}).status_code == 400


def test_page_shows_no_answer_address(sandbox: RunningSandbox, client: Client) -> None:
    """Anyone who has it and the token could fetch a code."""
    place_and_end(sandbox, client)
    page = requests.get(sandbox.url, headers={"Accept": "text/html"}, timeout=5).text
    assert f"POST /v1/Account/{AUTH_ID}/Call/" in page
    assert f"{client.url}/h" in page
    assert f"{client.url}/a" not in page
