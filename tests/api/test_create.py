"""``POST /v1/verifications``: each member, what it may be, and where a wrong one is pointed at."""

from datetime import datetime
from typing import Any

import pytest
from api.api_client import (
    VERIFICATIONS,
    ApiClient,
    ManualDialer,
    assert_problem,
    pointers,
    settings_with,
)
from support.service import ASHA

from otpvoice.app import create_app
from otpvoice.store.redis_store import RedisStore


def refused(api: ApiClient, members: dict[str, Any]) -> list[str]:
    """What is pointed at in a create that is not valid."""
    return pointers(assert_problem(api.create_response(**members), 422, "invalid_request"))


def test_a_create_is_answered_with_its_place(api: ApiClient) -> None:
    """201, JSON, and a Location that is the object's own address under the public URL."""
    answer = api.create_response()
    shown = answer.get_json()
    assert (answer.status_code, answer.content_type) == (201, "application/json")
    assert answer.headers["Location"] == shown["url"]
    assert shown["url"] == f"https://otp.example.com/v1/verifications/{shown['id']}"
    assert api.get_verification(shown)["id"] == shown["id"]


def test_an_answer_shows_no_code(api: ApiClient, dialer: ManualDialer) -> None:
    """Neither the caller's code nor one of ours is in an answer."""
    own = api.create_response(code="94715620")
    assert "94715620" not in own.text
    ours = api.create_response(to="+919876543211")
    _, code, _ = [dialer.decrypt(dialer.claim()) for _ in range(2)][-1]
    assert len(code) == 6
    assert f'"{code}"' not in ours.text


@pytest.mark.parametrize("seconds", [0, 1, 240])
def test_a_call_can_be_for_later(api: ApiClient, seconds: int) -> None:
    """It is due so many seconds after the create, and not before."""
    shown = api.create(call_after=seconds)
    (call,) = shown["calls"]
    assert call["status"] == "queued"
    wait = _moment(call["due_at"]) - _moment(shown["created_at"])
    assert wait == seconds


@pytest.mark.parametrize("seconds", [-1, 301, 1.5, True, "60", [], 10**30])
def test_call_after_is_whole_seconds_up_to_300(api: ApiClient, seconds: Any) -> None:
    """Everything else is a 422 that points at it."""
    assert refused(api, {"call_after": seconds, "ttl": 600}) == ["/call_after"]


@pytest.mark.parametrize(("ttl", "latest"), [(None, 240), (60, 30), (100, 50), (150, 90)])
def test_a_call_must_come_within_the_codes_life(
    api: ApiClient, ttl: int | None, latest: int
) -> None:
    """The last moment leaves ``min_remaining_life``, or half of a short life; later is a 422."""
    assert refused(api, {"ttl": ttl, "call_after": latest + 1}) == ["/call_after"]
    assert api.create(ttl=ttl, call_after=latest)["status"] == "pending"


def test_the_longest_wait_needs_a_long_life(api: ApiClient) -> None:
    """300 s are possible, with a code that lives for 600."""
    assert api.create(ttl=600, call_after=300)["expires_in"] == 600


@pytest.mark.parametrize(("ttl", "life"), [(60, 60), (600, 600), (None, 300)])
def test_the_life_of_the_code(api: ApiClient, ttl: int | None, life: int) -> None:
    """60 to 600 seconds, 300 when not told."""
    shown = api.create(ttl=ttl)
    assert shown["expires_in"] == life
    assert _moment(shown["expires_at"]) - _moment(shown["created_at"]) == life


@pytest.mark.parametrize("ttl", [59, 601, 0, -60, "300", True, 300.5, {}])
def test_a_life_that_no_code_has(api: ApiClient, ttl: Any) -> None:
    """It is a 422 that points at it."""
    assert refused(api, {"ttl": ttl}) == ["/ttl"]


@pytest.mark.parametrize(
    ("locale", "flow"),
    [
        ("hi-IN", "hi"),
        ("hi", "hi"),
        ("HI-in", "hi"),
        ("hi-Deva-IN", "hi"),
        ("ta-IN", "default"),
        ("x-private", "default"),
        (None, "default"),
    ],
)
def test_the_call_says_which_flow_speaks(api: ApiClient, locale: str | None, flow: str) -> None:
    """``hi-IN`` finds ``hi``; a language that no flow speaks finds ``default``."""
    (call,) = api.create(locale=locale)["calls"]
    assert call["locale"] == flow


@pytest.mark.parametrize(
    ("locale", "flow"),
    [
        ("hi_IN", "hi"),
        ("hi-IN,hi;q=0.9,en;q=0.8", "hi"),
        ("en-US,en;q=0.9,hi;q=0.1", "hi"),
        ("en-US,en", "default"),
        ("*", "default"),
    ],
)
def test_locale_as_platforms_and_browsers_write_it_is_taken(
    api: ApiClient, locale: str, flow: str
) -> None:
    """Also for a further call."""
    begun = api.create(locale=locale)
    assert begun["calls"][0]["locale"] == flow
    called = api.act(begun, "calls", {"locale": locale})
    assert (called.status_code, called.get_json()["calls"][-1]["locale"]) == (202, flow)


@pytest.mark.parametrize("locale", ["hi__IN", "", "-", "hi-", "a" * 36, "हि", "hi IN", 5, ["hi"]])
def test_a_locale_that_is_no_language_tag(api: ApiClient, locale: Any) -> None:
    """Malformed is not unknown: 422."""
    assert refused(api, {"locale": locale}) == ["/locale"]


@pytest.mark.parametrize(("route", "taken"), [("obd", "obd"), ("c2c", "c2c"), (None, "obd")])
def test_the_route_is_taken_first(api: ApiClient, route: str | None, taken: str) -> None:
    """The one that is asked for, else the first of the settings."""
    (call,) = api.create(route=route)["calls"]
    assert call["route"] == taken


@pytest.mark.parametrize("route", ["OBD", "", "sms", 1, ["obd"], "x - at `$.to`"])
def test_a_route_that_there_is_not(api: ApiClient, route: Any) -> None:
    """422, pointing at it and not quoting it."""
    answer = api.create_response(route=route)
    (fault,) = assert_problem(answer, 422, "invalid_request")["errors"]
    assert fault["pointer"] == "/route"
    assert not (isinstance(route, str) and route) or route not in fault["detail"]


@pytest.mark.parametrize("reference", ["", "login-81", "r" * 64, "लॉगिन ८१", "a/b~c\"'<>{}"])
def test_a_reference_is_given_back_everywhere(api: ApiClient, reference: str) -> None:
    """In create's answer, in all later ones, and in what a problem shows of it."""
    shown = api.create(reference=reference, code="1234")
    assert shown["reference"] == api.get_verification(shown)["reference"] == reference
    assert api.check(shown, "1234").get_json()["reference"] == reference
    closed = assert_problem(api.check(shown, "1234"), 409, "verification_closed")
    assert closed["verification"]["reference"] == reference


@pytest.mark.parametrize("reference", ["r" * 65, 81, True, ["a"], "a\nb", "a\x00"])
def test_a_reference_that_is_too_much(api: ApiClient, reference: Any) -> None:
    """More than 64 characters, no string, or control characters: 422."""
    assert refused(api, {"reference": reference}) == ["/reference"]


@pytest.mark.parametrize(
    "ip",
    [
        *("203.0.113.9", "10.0.0.1", "127.0.0.1", "0.0.0.0", "2001:db8::1", "::1", "::", None),
        *("1.2.3.4, 10.0.0.1", "1.2.3.4:5678", "[2001:db8::1]:443", " 1.2.3.4 ", "unknown"),
    ],
)
def test_any_address_is_taken(api: ApiClient, ip: str | None) -> None:
    """Public or not: a non-public one is ignored, never refused."""
    assert api.create(ip=ip)["status"] == "pending"


@pytest.mark.parametrize(
    "ip", ["", "localhost", "203.0.113.256", "203.0.113.9:", "1", 1, "::g", "1.2.3.4, x"]
)
def test_what_is_no_address(api: ApiClient, ip: Any) -> None:
    """It is a 422 that points at it."""
    assert refused(api, {"ip": ip}) == ["/ip"]


@pytest.mark.parametrize("code", ["0000", "1234", "012345", "1234567890"])
def test_the_callers_own_code(api: ApiClient, dialer: ManualDialer, code: str) -> None:
    """4 to 10 digits, a string whose zeros count; it is what the voice is given."""
    shown = api.create(code=code)
    assert shown["code_length"] == len(code)
    assert dialer.decrypt(dialer.claim()) == (ASHA, code, "Customer")
    assert api.check(shown, code).get_json()["valid"] is True


@pytest.mark.parametrize(
    "code",
    ["123", "12345678901", "", "12a4", "１２３４", "१२३४", "1234\n", " 1234", 1234, ["1234"]],
)
def test_a_code_that_no_one_can_hear(api: ApiClient, code: Any) -> None:
    """It is a 422 that points at it."""
    assert refused(api, {"code": code}) == ["/code"]


@pytest.mark.parametrize("to", [None, 919876543210, True, [ASHA], {"number": ASHA}])
def test_a_number_is_a_string(api: ApiClient, to: Any) -> None:
    """Another type is a 422 that points at it."""
    assert refused(api, {"to": to}) == ["/to"]


@pytest.mark.parametrize("raw", [b"{}", b""])
def test_a_create_without_a_number(api: ApiClient, raw: bytes) -> None:
    """An empty object, and no body at all: 422 that points at ``to``."""
    body = assert_problem(api.post_raw(VERIFICATIONS, raw), 422, "invalid_request")
    assert pointers(body) == ["/to"]


def test_all_unknown_members_are_named(api: ApiClient) -> None:
    """Each with its pointer (RFC 6901), the empty name and the escapes included."""
    names = ["phone", "TO", "a/b", "m~n", "", "client_token", "ऊ"]
    body = assert_problem(api.create_response(**dict.fromkeys(names, 1)), 422, "invalid_request")
    named = {"/phone", "/TO", "/a~1b", "/m~0n", "/", "/client_token", "/ऊ"}
    assert sorted(pointers(body)) == sorted(named)


def test_all_wrong_texts_are_named(api: ApiClient) -> None:
    """Nobody has to ask once for each fault."""
    wrong = {"code": "12", "locale": "?", "reference": "\n", "ip": "?"}
    assert sorted(refused(api, wrong)) == ["/code", "/ip", "/locale", "/reference"]


def test_a_refused_create_leaves_nothing(api: ApiClient, dialer: ManualDialer) -> None:
    """After a 422 no call is due, and the next create begins from nothing."""
    refused(api, {"ttl": 5})
    refused(api, {"unknown": 5})
    assert dialer.has_nothing_due()
    assert api.create()["version"] == 1


def test_a_client_has_settings_of_its_own(environ: dict[str, str], store: RedisStore) -> None:
    """Flows, bridge, caller id and life of the client go before the common ones."""
    settings = settings_with(
        environ,
        clients_bank_flows="default=77,ta=78",
        clients_bank_bridge="918011112222",
        clients_bank_ttl="120",
        provider_caller_id="+911234567890",
    )
    store.sweep("a dialer")
    api = ApiClient(create_app(settings, store), store)
    ours, banks = api.create(locale="ta"), api.as_bank().create(locale="ta", to="+919876543211")
    assert (ours["expires_in"], banks["expires_in"]) == (300, 120)
    assert [v["calls"][0]["locale"] for v in (ours, banks)] == ["default", "ta"]
    assert {v["calls"][0]["caller_id"] for v in (ours, banks)} == {"+911234567890"}


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
