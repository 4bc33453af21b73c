"""The page as the server renders it; test_page_in_browser.py uses it in a browser."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from sandbox.vendor import C2C, OBD, PERSON, ended_calls, place_call

from otpvoice_sandbox import RunningSandbox, SandboxConfig, Webhook

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def get_page(sandbox: RunningSandbox) -> str:
    """Return the page that a browser gets."""
    return requests.get(sandbox.url, headers=BROWSER, timeout=5).text


class ChangeStream:
    """An open stream of changes."""

    def __init__(self, url: str) -> None:
        self._answer = requests.get(f"{url}/desk/live", stream=True, timeout=15)
        assert self._answer.headers["Content-Type"].startswith("text/event-stream")
        self._lines = self._answer.iter_lines(chunk_size=1, decode_unicode=True)

    def next(self) -> dict[str, Any]:
        """Return the next message."""
        line = next(line for line in self._lines if line.startswith("data: "))
        message: dict[str, Any] = json.loads(line.removeprefix("data: "))
        return message

    def until(self, words: str) -> dict[str, Any]:
        """Return the next message with these words in a changed element."""
        while words not in "".join((message := self.next())["changed"].values()):
            pass
        return message

    def close(self) -> None:
        """Close the connection."""
        self._answer.close()


@pytest.fixture
def stream(sandbox: RunningSandbox) -> Iterator[ChangeStream]:
    """An open stream, closed after the test."""
    stream = ChangeStream(sandbox.url)
    yield stream
    stream.close()


def test_index_returns_html_to_browsers_and_text_to_scripts(sandbox: RunningSandbox) -> None:
    """The page has a policy that allows only its own files."""
    page = requests.get(sandbox.url, headers=BROWSER, timeout=5)
    text = requests.get(sandbox.url, timeout=5)

    assert page.headers["Content-Type"].startswith("text/html")
    assert text.headers["Content-Type"].startswith("text/plain")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "Sandbox" in page.text
    assert "<script>" not in page.text
    assert " style=" not in page.text


@pytest.mark.parametrize(
    ("framed_by", "ancestor"), [("", "'none'"), ("http://127.0.0.1:8080", "http://127.0.0.1:8080")]
)
def test_page_can_be_embedded_by_configured_origin_only(
    start: Callable[[SandboxConfig], RunningSandbox], framed_by: str, ancestor: str
) -> None:
    """In a frame, the header is hidden."""
    sandbox = start(SandboxConfig(framed_by=framed_by))
    alone = requests.get(sandbox.url, headers=BROWSER, timeout=5)
    framed = requests.get(sandbox.url, headers=BROWSER | {"Sec-Fetch-Dest": "iframe"}, timeout=5)
    for page in (alone, framed):
        assert page.headers["Content-Security-Policy"].endswith(f"; frame-ancestors {ancestor}")
    assert 'class="framed"' in framed.text
    assert 'class="framed"' not in alone.text


def test_stream_sends_changed_elements_only(sandbox: RunningSandbox, stream: ChangeStream) -> None:
    """The first message has all elements; unchanged phones are not sent again."""
    sandbox.state.set_phone("918867135001", sandbox.state.get_phone(PERSON))
    assert [*stream.until("88671 35001")["changed"]] == ["phone-918867135001"]

    place_call(sandbox, OBD)
    message = stream.until("Callback POST: 200")

    assert message["order"] == {
        "phones": [f"phone-{PERSON}", "phone-918867135001"],
        "calls": ["call-0"],
    }
    assert "phone-918867135001" not in message["changed"]


def test_timeline_has_every_message_in_order(sandbox: RunningSandbox, stream: ChangeStream) -> None:
    """Request, reply, ring, answer, end and callback."""
    place_call(sandbox, OBD)
    timeline = stream.until("Callback POST: 200")["changed"]["call-0"]

    steps = ["POST /api/v2/outgoing/send", "Rings", "Answered", "Ended:", "Callback POST"]
    places = [timeline.index(step) for step in steps]
    assert places == sorted(places)
    assert "variables[otp]" in timeline
    assert "1 numbers accepted for delivery." in timeline
    assert "hangup_by" not in timeline  # that of OBD has none


def test_page_masks_secrets(
    start: Callable[[SandboxConfig], RunningSandbox], webhook_uri: str
) -> None:
    """Token and webhook secrets are masked, also where a client sends them by mistake."""
    hook = Webhook(uri=f"{webhook_uri}/path-token", secret="s3cret-of-the-hook")
    sandbox = start(
        SandboxConfig(token="t0ken", webhooks={"1": hook}, subscription="1", ring_seconds=0.01)
    )
    stream = ChangeStream(sandbox.url)
    place_call(sandbox, C2C | {"variables[Name]": "t0ken s3cret-of-the-hook", "mid": "t0ken"})
    page_text = str(stream.until("Replied 200")) + get_page(sandbox)
    stream.close()

    assert "•••" in page_text
    for secret in ("t0ken", "s3cret-of-the-hook", "path-token"):
        assert secret not in page_text


def test_page_escapes_markup_in_requests(sandbox: RunningSandbox) -> None:
    """Markup in a name or a request is shown as text."""
    place_call(sandbox, OBD | {"variables[Name]": "<img src=x>", "<b>": "</details>"})
    place_call(sandbox, OBD | {"variables[Name]": "<img src=x>"})
    ended_calls(sandbox, 1)

    page = get_page(sandbox)

    assert "&lt;img src=x&gt;" in page
    assert "<img" not in page
    assert "<b>" not in page


def test_page_shows_rejected_request_with_half_of_a_surrogate_pair(sandbox: RunningSandbox) -> None:
    """Such a string has no encoding, so a page that contained it could not be sent."""
    rejected = place_call(sandbox, dict(OBD) | {"variables[Name]": "\ud800"})
    assert (rejected.status_code, rejected.json()["message"]) == (422, "body: must be JSON")
    assert "ud800" in get_page(sandbox)


def test_page_size_is_bounded(sandbox: RunningSandbox) -> None:
    """It shows twenty phones, twenty calls and the beginning of long messages."""
    for n in range(30):
        place_call(sandbox, OBD | {"to": str(918867135000 + n), "variables[x]": "y" * 9000})
    network = sandbox.state
    assert sandbox.state.wait_until(lambda: all(call.ended_at for call in network.calls), 60)

    page = get_page(sandbox)

    assert page.count('<details class="phone"') == 20
    assert page.count('class="call"') == 20
    assert len(page) < 400_000


def test_closed_stream_frees_its_slot(sandbox: RunningSandbox) -> None:
    """The number of streams is limited, because each holds a thread."""
    live = f"{sandbox.url}/desk/live"
    stream = [requests.get(live, stream=True, timeout=15) for _ in range(64)]
    assert requests.get(live, timeout=5).status_code == 503
    for each in stream:
        each.close()

    for turn in range(100):
        sandbox.state.set_phone(str(turn), sandbox.state.get_phone(PERSON))
        with requests.get(live, stream=True, timeout=15) as response:
            if response.ok:
                return
    pytest.fail("no slot became free")


def test_page_drops_least_recently_used_phone(sandbox: RunningSandbox) -> None:
    """A used phone keeps its position. The page shows the newest first, and one open."""
    numbers = [f"91{n}" for n in range(20)]
    for number in (*numbers, numbers[0], "9120"):
        sandbox.state.set_phone(number, sandbox.state.get_phone(number))
    shown = [numbers[0], *numbers[2:], "9120"]
    assert sandbox.state.phone_numbers() == shown
    page = get_page(sandbox)
    assert re.findall(r'<details class="phone"[^>]* id="phone-(\d+)"', page) == shown[::-1]
    assert re.findall(r'id="phone-(\d+)"[^>]* open>', page) == ["9120"]


def test_page_works_with_forms_only(sandbox: RunningSandbox) -> None:
    """Without JavaScript, forms add phones, set behaviours and press buttons."""

    def submit(path: str, **members: str) -> int:
        url = f"{sandbox.url}/desk/phones{path}"
        response = requests.post(url, data=members, timeout=5, headers=BROWSER)
        return response.history[0].status_code if response.history else response.status_code

    assert submit("", number="+91 88671-35000") == 303
    assert 'id="phone-918867135000"' in get_page(sandbox)
    place_call(sandbox, OBD)
    assert submit(f"/{PERSON}/press", button="decline") == 303
    assert ended_calls(sandbox)[0]["status"] == "BUSY"
    assert submit(f"/{PERSON}/behaviour", behaviour="busy") == 303
    assert sandbox.state.get_phone(PERSON).behaviour == "busy"
    assert submit("", number="12") == 422
    assert submit(f"/{PERSON}/behaviour", behaviour="reply?") == 422
    assert submit(f"/{PERSON}/press", button="smash") == 422
    assert submit(f"/{PERSON}/press", button="answer") == 409


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("+91 88671 35000", PERSON),
        (PERSON, PERSON),
        ("0091-88671-35000", PERSON),
        ("088671 35000", PERSON),
        ("88671.35000", PERSON),
        ("+९१ ८८६७१ ३५०००", PERSON),
        ("٨٨٦٧١٣٥٠٠٠", PERSON),
        ("（＋９１）８８６７１３５０００\u200e", PERSON),
        ("+1 (415) 555-2671", "14155552671"),
        ("4915112345678", "4915112345678"),
        ("91 1234567890", "911234567890"),
    ],
)
def test_add_phone_normalizes_number(sandbox: RunningSandbox, typed: str, number: str) -> None:
    """National numbers are Indian, as the provider is."""
    url = f"{sandbox.url}/desk/phones"
    response = requests.post(url, data={"number": typed}, headers=BROWSER, timeout=5)
    assert response.ok, response.text
    assert sandbox.state.phone_numbers() == [number]


@pytest.mark.parametrize("typed", ["", "12", "hello", "88671abc", "1" * 16, "+"])
def test_add_phone_with_invalid_number_returns_422(sandbox: RunningSandbox, typed: str) -> None:
    """The error has an example of a number."""
    url = f"{sandbox.url}/desk/phones"
    response = requests.post(url, data={"number": typed}, headers=BROWSER, timeout=5)
    assert response.status_code == 422
    assert "+91 98765 43210" in response.text


def test_cross_site_form_returns_403(sandbox: RunningSandbox) -> None:
    """Other websites cannot use the page's forms."""
    url = f"{sandbox.url}/desk/phones"
    headers = {"Sec-Fetch-Site": "cross-site"}
    response = requests.post(url, data={"number": PERSON}, headers=headers, timeout=5)

    assert response.status_code == 403
    assert sandbox.state.phone_numbers() == []
