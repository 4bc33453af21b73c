"""The page as its server makes it; test_page_in_browser.py looks at it as people do."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from otpvoice.sandbox import RunningSandbox, SandboxConfig, Webhook
from otpvoice.sandbox.phones import PhoneList

PERSON = "918867135000"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

Place = Callable[[RunningSandbox, dict[str, Any]], requests.Response]
EndedCalls = Callable[..., list[dict[str, Any]]]


def page_of(sandbox: RunningSandbox) -> str:
    """What a browser is given."""
    return requests.get(sandbox.url, headers=BROWSER, timeout=5).text


class Watching:
    """An open stream of changes."""

    def __init__(self, url: str) -> None:
        self._answer = requests.get(f"{url}/desk/live", stream=True, timeout=15)
        assert self._answer.headers["Content-Type"].startswith("text/event-stream")
        self._lines = self._answer.iter_lines(chunk_size=1, decode_unicode=True)

    def next(self) -> dict[str, Any]:
        """The next message."""
        line = next(line for line in self._lines if line.startswith("data: "))
        message: dict[str, Any] = json.loads(line.removeprefix("data: "))
        return message

    def until(self, words: str) -> dict[str, Any]:
        """The next message in which something says so."""
        while words not in "".join((message := self.next())["changed"].values()):
            pass
        return message

    def close(self) -> None:
        """Goes away."""
        self._answer.close()


@pytest.fixture
def watching(sandbox: RunningSandbox) -> Iterator[Watching]:
    """A browser that stays."""
    stream = Watching(sandbox.url)
    yield stream
    stream.close()


def test_browsers_get_a_page_and_scripts_a_text(sandbox: RunningSandbox) -> None:
    """Whoever asks for HTML gets it, with a policy against all that is not the page's own."""
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
def test_it_is_framed_by_the_one_that_it_is_told_of(
    start: Callable[[SandboxConfig], RunningSandbox], framed_by: str, ancestor: str
) -> None:
    """By nobody else; and then the page around it has the head."""
    sandbox = start(SandboxConfig(framed_by=framed_by))
    alone = requests.get(sandbox.url, headers=BROWSER, timeout=5)
    framed = requests.get(sandbox.url, headers=BROWSER | {"Sec-Fetch-Dest": "iframe"}, timeout=5)
    for page in (alone, framed):
        assert page.headers["Content-Security-Policy"].endswith(f"; frame-ancestors {ancestor}")
    assert 'class="framed"' in framed.text
    assert 'class="framed"' not in alone.text


def test_only_what_changed_is_pushed(
    sandbox: RunningSandbox, watching: Watching, place: Place, obd: dict[str, Any]
) -> None:
    """At first everything; then the one phone and its call; the other phone stays as it is."""
    sandbox.state.network.set_phone("918867135001", sandbox.state.network.get_phone(PERSON))
    assert [*watching.until("88671 35001")["changed"]] == ["phone-918867135001"]

    place(sandbox, obd)
    message = watching.until("Callback POST: 200")

    assert message["order"] == {
        "phones": ["phone-918867135001", f"phone-{PERSON}"],
        "calls": ["call-0"],
    }
    assert "phone-918867135001" not in message["changed"]


def test_the_timeline_has_every_message(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any], watching: Watching
) -> None:
    """Request, reply, ring, answer, end and callback, in this order."""
    place(sandbox, obd)
    timeline = watching.until("Callback POST: 200")["changed"]["call-0"]

    steps = ["POST /api/v2/outgoing/send", "Rings", "Answered", "Ended:", "Callback POST"]
    places = [timeline.index(step) for step in steps]
    assert places == sorted(places)
    assert "variables[otp]" in timeline
    assert "1 numbers accepted for delivery." in timeline
    assert "hangup_by" not in timeline  # that of OBD has none


def test_no_secret_is_on_the_page(
    start: Callable[[SandboxConfig], RunningSandbox],
    webhook_uri: str,
    place: Place,
    c2c: dict[str, Any],
) -> None:
    """Neither token nor webhook's secret, not even where a client puts them by mistake."""
    hook = Webhook(uri=f"{webhook_uri}/path-token", secret="s3cret-of-the-hook")
    sandbox = start(
        SandboxConfig(token="t0ken", webhooks={"1": hook}, subscription="1", ring_seconds=0.01)
    )
    watching = Watching(sandbox.url)
    place(sandbox, c2c | {"variables[Name]": "t0ken s3cret-of-the-hook", "mid": "t0ken"})
    seen = str(watching.until("Replied 200")) + page_of(sandbox)
    watching.close()

    assert "•••" in seen
    for secret in ("t0ken", "s3cret-of-the-hook", "path-token"):
        assert secret not in seen


def test_what_people_type_is_shown_and_not_obeyed(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any], ended_calls: EndedCalls
) -> None:
    """Markup in a name or a request is text."""
    place(sandbox, obd | {"variables[Name]": "<img src=x>", "<b>": "</details>"})
    place(sandbox, obd | {"variables[Name]": "<img src=x>"})
    ended_calls(1)

    page = page_of(sandbox)

    assert "&lt;img src=x&gt;" in page
    assert "<img" not in page
    assert "<b>" not in page


def test_the_page_is_bounded(sandbox: RunningSandbox, place: Place, obd: dict[str, Any]) -> None:
    """However many numbers are called: eight phones, twenty calls, and messages of some pages."""
    for n in range(30):
        place(sandbox, obd | {"to": str(918867135000 + n), "variables[x]": "y" * 9000})
    network = sandbox.state.network
    assert sandbox.state.wait_until(lambda: all(call.ended_at for call in network.list_calls()), 5)

    page = page_of(sandbox)

    assert page.count('<article class="phone"') == 8
    assert page.count('class="call"') == 20
    assert len(page) < 400_000


def test_who_goes_away_makes_room(sandbox: RunningSandbox) -> None:
    """So many may watch that the company keeps threads for calls; each place is given back."""
    live = f"{sandbox.url}/desk/live"
    watching = [requests.get(live, stream=True, timeout=15) for _ in range(64)]
    assert requests.get(live, timeout=5).status_code == 503
    for each in watching:
        each.close()

    for turn in range(100):
        sandbox.state.network.set_phone(str(turn), sandbox.state.network.get_phone(PERSON))
        with requests.get(live, stream=True, timeout=15) as answer:
            if answer.ok:
                return
    pytest.fail("nobody can watch any more")


def test_the_phone_longest_unused_makes_room() -> None:
    """One that is used again keeps its place, so that nothing jumps under the finger."""
    desk = PhoneList(capacity=2)
    for number in ("1", "2", "1", "3"):
        desk.add(number)
    assert desk.numbers == ["1", "3"]


def test_its_buttons_are_forms(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any], ended_calls: EndedCalls
) -> None:
    """Without a script the page still lays phones down, sets them and presses their keys."""

    def submit(path: str, **members: str) -> int:
        url = f"{sandbox.url}/desk/phones{path}"
        answer = requests.post(url, data=members, timeout=5, headers=BROWSER)
        return answer.history[0].status_code if answer.history else answer.status_code

    assert submit("", number="+91 88671-35000") == 303
    assert 'id="phone-918867135000"' in page_of(sandbox)
    place(sandbox, obd)
    assert submit(f"/{PERSON}/press", button="decline") == 303
    assert ended_calls()[0]["status"] == "BUSY"
    assert submit(f"/{PERSON}/behaviour", behaviour="busy") == 303
    assert sandbox.state.network.get_phone(PERSON).behaviour == "busy"
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
def test_phone_number_as_people_write_it_is_laid_on_desk(
    sandbox: RunningSandbox, typed: str, number: str
) -> None:
    """National numbers are India's, as the provider is; any other sequence of digits is taken."""
    url = f"{sandbox.url}/desk/phones"
    answer = requests.post(url, data={"number": typed}, headers=BROWSER, timeout=5)
    assert answer.ok, answer.text
    assert sandbox.state.network.phone_list.numbers == [number]


@pytest.mark.parametrize("typed", ["", "12", "hello", "88671abc", "1" * 16, "+"])
def test_phone_number_that_is_none_is_refused(sandbox: RunningSandbox, typed: str) -> None:
    """With an example of a number."""
    url = f"{sandbox.url}/desk/phones"
    answer = requests.post(url, data={"number": typed}, headers=BROWSER, timeout=5)
    assert answer.status_code == 422
    assert "+91 98765 43210" in answer.text


def test_other_sites_press_no_button(sandbox: RunningSandbox) -> None:
    """A form on a page from elsewhere is refused."""
    url = f"{sandbox.url}/desk/phones"
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = requests.post(url, data={"number": PERSON}, headers=headers, timeout=5)

    assert answer.status_code == 403
    assert sandbox.state.network.phone_list.numbers == []
