"""``POST /v1/verifications``: each member, its valid values, and the pointer of an invalid one."""

from datetime import datetime
from typing import Any

import pytest
from api.api_client import (
    VERIFICATIONS,
    ApiClient,
    ManualDialer,
    StartApi,
    assert_problem,
    pointers,
)
from support.service import ASHA

INVALID: dict[str, list[Any]] = {
    "to": [None, 919876543210, True, [ASHA], {"number": ASHA}],
    "code": [
        "123",
        "12345678901",
        "",
        "12a4",
        "１２３４",
        "१२३४",
        "1234\n",
        " 1234",
        1234,
        ["1234"],
    ],
    "call_after": [-1, 301, 1.5, True, "60", [], 10**30],
    "ttl": [59, 601, 0, -60, "300", True, 300.5, {}],
    "locale": ["hi__IN", "", "-", "hi-", "a" * 36, "हि", "hi IN", 5, ["hi"]],
    "reference": ["r" * 65, 81, True, ["a"], "a\nb", "a\x00"],
    "ip": ["", "localhost", "203.0.113.256", "203.0.113.9:", "1", 1, "::g", "1.2.3.4, x"],
}


def refused_pointers(api: ApiClient, members: dict[str, Any]) -> list[str]:
    """Return the pointers of an invalid create."""
    return pointers(assert_problem(api.create_response(**members), 422, "invalid_request"))


def test_create_returns_201_with_location(api: ApiClient) -> None:
    """Location is the object's URL under the public URL."""
    response = api.create_response()
    shown = response.get_json()
    assert (response.status_code, response.content_type) == (201, "application/json")
    assert response.headers["Location"] == shown["url"]
    assert shown["url"] == f"https://otp.example.com/v1/verifications/{shown['id']}"
    assert api.get_verification(shown)["id"] == shown["id"]


def test_create_response_contains_no_code(api: ApiClient, dialer: ManualDialer) -> None:
    """Neither the client's code nor a generated one."""
    own = api.create_response(code="94715620")
    assert "94715620" not in own.text
    ours = api.create_response(to="+919876543211")
    # Both calls are due in the same millisecond, so either one can come first.
    spoken = (dialer.decrypt(dialer.claim()) for _ in range(2))
    code = {number: code for number, code, _ in spoken}["+919876543211"]
    assert len(code) == 6
    assert f'"{code}"' not in ours.text


@pytest.mark.parametrize("seconds", [0, 1, 240])
def test_call_after_delays_the_call(api: ApiClient, seconds: int) -> None:
    """The call is not due earlier."""
    shown = api.create(call_after=seconds)
    (call,) = shown["calls"]
    assert call["status"] == "queued"
    wait = _moment(call["due_at"]) - _moment(shown["created_at"])
    assert wait == seconds


@pytest.mark.parametrize(("ttl", "latest"), [(None, 240), (60, 30), (100, 50), (150, 90)])
def test_call_after_too_close_to_the_expiry_returns_422(
    api: ApiClient, ttl: int | None, latest: int
) -> None:
    """The latest value leaves ``min_remaining_life``, or half of a short life."""
    assert refused_pointers(api, {"ttl": ttl, "call_after": latest + 1}) == ["/call_after"]
    assert api.create(ttl=ttl, call_after=latest)["status"] == "pending"


def test_call_after_300_is_accepted_with_ttl_600(api: ApiClient) -> None:
    """The default life is too short."""
    assert api.create(ttl=600, call_after=300)["expires_in"] == 600


@pytest.mark.parametrize(("ttl", "life"), [(60, 60), (600, 600), (None, 300)])
def test_ttl_sets_the_life_of_the_code(api: ApiClient, ttl: int | None, life: int) -> None:
    """60 to 600 seconds, 300 by default."""
    shown = api.create(ttl=ttl)
    assert shown["expires_in"] == life
    assert _moment(shown["expires_at"]) - _moment(shown["created_at"]) == life


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
def test_locale_selects_the_flow(api: ApiClient, locale: str | None, flow: str) -> None:
    """``hi-IN`` finds ``hi``; a language without a flow finds ``default``."""
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
def test_locale_in_platform_and_browser_format_is_accepted(
    api: ApiClient, locale: str, flow: str
) -> None:
    """Also for a further call."""
    begun = api.create(locale=locale)
    assert begun["calls"][0]["locale"] == flow
    called = api.act(begun, "calls", {"locale": locale})
    assert (called.status_code, called.get_json()["calls"][-1]["locale"]) == (202, flow)


@pytest.mark.parametrize(("route", "taken"), [("obd", "obd"), ("c2c", "c2c"), (None, "obd")])
def test_route_is_tried_first(api: ApiClient, route: str | None, taken: str) -> None:
    """By default the first of the settings."""
    (call,) = api.create(route=route)["calls"]
    assert call["route"] == taken


@pytest.mark.parametrize("route", ["OBD", "", "sms", 1, ["obd"], "x - at `$.to`"])
def test_unknown_route_returns_422(api: ApiClient, route: Any) -> None:
    """The error points at it and does not repeat it."""
    response = api.create_response(route=route)
    (fault,) = assert_problem(response, 422, "invalid_request")["errors"]
    assert fault["pointer"] == "/route"
    assert not (isinstance(route, str) and route) or route not in fault["detail"]


@pytest.mark.parametrize("reference", ["", "login-81", "r" * 64, "लॉगिन ८१", "a/b~c\"'<>{}"])
def test_reference_is_in_every_response(api: ApiClient, reference: str) -> None:
    """Also in problem documents."""
    shown = api.create(reference=reference, code="1234")
    assert shown["reference"] == api.get_verification(shown)["reference"] == reference
    assert api.check(shown, "1234").get_json()["reference"] == reference
    closed = assert_problem(api.check(shown, "1234"), 409, "verification_closed")
    assert closed["verification"]["reference"] == reference


@pytest.mark.parametrize(
    "ip",
    [
        *("203.0.113.9", "10.0.0.1", "127.0.0.1", "0.0.0.0", "2001:db8::1", "::1", "::", None),
        *("1.2.3.4, 10.0.0.1", "1.2.3.4:5678", "[2001:db8::1]:443", " 1.2.3.4 ", "unknown"),
    ],
)
def test_ip_of_any_kind_is_accepted(api: ApiClient, ip: str | None) -> None:
    """An address that is not public is ignored."""
    assert api.create(ip=ip)["status"] == "pending"


@pytest.mark.parametrize("code", ["0000", "1234", "012345", "1234567890"])
def test_own_code_is_spoken(api: ApiClient, dialer: ManualDialer, code: str) -> None:
    """4 to 10 digits as a string, with leading zeros."""
    shown = api.create(code=code)
    assert shown["code_length"] == len(code)
    assert dialer.decrypt(dialer.claim()) == (ASHA, code, "Customer")
    assert api.check(shown, code).get_json()["valid"] is True


@pytest.mark.parametrize("raw", [b"{}", b""])
def test_create_without_number_returns_422(api: ApiClient, raw: bytes) -> None:
    """An empty object or no body."""
    body = assert_problem(api.post_raw(VERIFICATIONS, raw), 422, "invalid_request")
    assert pointers(body) == ["/to"]


@pytest.mark.parametrize(
    ("member", "value"), [(member, value) for member, values in INVALID.items() for value in values]
)
def test_create_with_invalid_member_returns_422(api: ApiClient, member: str, value: Any) -> None:
    """The error points at the member."""
    assert refused_pointers(api, {"ttl": 600, member: value}) == [f"/{member}"]


def test_create_with_unknown_members_names_all(api: ApiClient) -> None:
    """With JSON Pointers (RFC 6901), the empty name and escapes included."""
    names = ["phone", "TO", "a/b", "m~n", "", "client_token", "ऊ"]
    body = assert_problem(api.create_response(**dict.fromkeys(names, 1)), 422, "invalid_request")
    named = {"/phone", "/TO", "/a~1b", "/m~0n", "/", "/client_token", "/ऊ"}
    assert sorted(pointers(body)) == sorted(named)


def test_create_with_several_errors_names_all(api: ApiClient) -> None:
    """One request reveals every error."""
    wrong = {"code": "12", "locale": "?", "reference": "\n", "ip": "?"}
    assert sorted(refused_pointers(api, wrong)) == ["/code", "/ip", "/locale", "/reference"]


def test_create_with_422_leaves_nothing(api: ApiClient, dialer: ManualDialer) -> None:
    """No call is due, and the next create starts from nothing."""
    refused_pointers(api, {"ttl": 5})
    refused_pointers(api, {"unknown": 5})
    assert dialer.has_nothing_due()
    assert api.create()["version"] == 1


def test_settings_of_a_client_override_the_common_ones(start_api: StartApi) -> None:
    """Flows, caller line, caller id and life."""
    api = start_api(
        clients_bank_flows="default=77,ta=78",
        clients_bank_bridge="918011112222",
        clients_bank_ttl="120",
        provider_caller_id="+911234567890",
    )
    ours, banks = api.create(locale="ta"), api.as_bank().create(locale="ta", to="+919876543211")
    assert (ours["expires_in"], banks["expires_in"]) == (300, 120)
    assert [v["calls"][0]["locale"] for v in (ours, banks)] == ["default", "ta"]
    assert {v["calls"][0]["caller_id"] for v in (ours, banks)} == {"+911234567890"}


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
