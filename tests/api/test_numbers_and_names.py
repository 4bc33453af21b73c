"""Which numbers are called and which part of a name is spoken."""

import unicodedata

import pytest
from api.api_client import (
    ApiClient,
    ManualDialer,
    StartApi,
    assert_problem,
    pointers,
    settings_with,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.service import ASHA

from otpvoice.app import create_app
from otpvoice.store.redis_store import RedisStore

NO_NUMBERS = [
    "",
    "+",
    "919876543210",
    "00919876543210",
    "9876543210",
    "+91 98765 43210",
    "+91-9876543210",
    "+91(0)9876543210",
    "+91 (0) 9876543210",
    "+919876543210 ",
    " +919876543210",
    "+919876543210\n",
    "+919876543210\x00",
    "+919876543210x5",
    "+919876543210;ext=5",
    "+919876543210,5",
    "+919876543210#5",
    "tel:+919876543210",
    "+91987654321O",
    "+91FLOWERS",
    "+९१९८७६५४३२१०",
    "＋９１９８７６５４３２１０",
    "+91９８７６５４３２１０",
    "++919876543210",
    "+0919876543210",
    "+9198765432101234",
    "+919876",
    "+9198765",
    "+91987654321",
    "+9198765432100",
    "+911111111111",
    "+999123456789",
    "+2101234567",
]
"""Not strict E.164, or not a possible phone number."""

NOT_CALLED = [
    "+14155552671",  # the United States
    "+442071838750",  # a landline in Great Britain
    "+12642351234",  # Anguilla
    "+18762345678",  # Jamaica
    "+9779841234567",  # Nepal
    "+911123456789",  # a landline
    "+911800123456",  # toll-free
    "+911861123456789",  # premium
    "+9118603451234",  # shared cost
    "+911401234567",  # telemarketers
    "+911601234567",  # government and banks
    "+881612345678",  # satellite
    "+870773111632",  # maritime
    "+80012345678",  # global toll-free
    "+979123456789",  # global premium
    "+883510012345",  # global VoIP
]
"""Possible numbers whose region, type or prefix is not allowed."""


def test_number_is_returned_and_called_in_canonical_form(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """E.164 in the response and at the provider."""
    assert api.create(ASHA)["to"] == ASHA
    assert dialer.decrypt(dialer.claim())[0] == ASHA


@pytest.mark.parametrize("to", NO_NUMBERS)
def test_invalid_number_returns_422(api: ApiClient, dialer: ManualDialer, to: str) -> None:
    """No call is placed."""
    assert_problem(api.create_response(to), 422, "invalid_number")
    assert dialer.has_nothing_due()


@pytest.mark.parametrize("to", NOT_CALLED)
def test_number_not_allowed_returns_422(api: ApiClient, dialer: ManualDialer, to: str) -> None:
    """No call is placed, and the error does not repeat the number."""
    response = api.create_response(to)
    assert_problem(response, 422, "number_not_allowed")
    assert to not in response.text
    assert dialer.has_nothing_due()


@pytest.mark.parametrize(
    ("to", "code"), [("+91987", "invalid_number"), ("+14155552671", "number_not_allowed")]
)
def test_rejected_number_is_named_in_errors(api: ApiClient, to: str, code: str) -> None:
    """``errors`` has ``/to``, as for every other member."""
    body = assert_problem(api.create_response(to), 422, code)
    assert pointers(body | {"errors": body.get("errors", [])}) == ["/to"]


def test_regions_of_a_client_replace_the_common_ones(
    environ: dict[str, str], store: RedisStore
) -> None:
    """Each client can have its own."""
    store.sweep("a dialer")
    app = create_app(settings_with(environ, clients_bank_regions="US"), store)
    api = ApiClient(app, store)
    assert api.as_bank().create("+14155552671")
    assert_problem(api.as_bank().create_response(ASHA), 422, "number_not_allowed")
    assert_problem(api.create_response("+14155552671"), 422, "number_not_allowed")


def test_number_types_and_denied_prefixes_apply(start_api: StartApi) -> None:
    """Landlines only if allowed; denied prefixes never."""
    api = start_api(limits_number_types="fixed_line,mobile", limits_deny_prefixes="+9198765")
    assert api.create("+911123456789")
    assert_problem(api.create_response(ASHA), 422, "number_not_allowed")
    assert api.create("+919812345678")


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ("Asha", "Asha"),
        ("  Asha   Rao ", "Asha Rao"),
        ("आशा राव", "आशा राव"),
        ("Anne-Marie O'Neil Jr.", "Anne-Marie O'Neil Jr."),
        ("O’Neil", "O'Neil"),
        ("", "Customer"),
        ("   ", "Customer"),
        ("12345", "Customer"),
        *((name, "Customer") for name in ("null", "undefined", "None", "N/A", "[object Object]")),
        ("Asha null", "Asha"),
        ("...---'''", "Customer"),
        ("😀🎉", "Customer"),
        ("{otp}", "otp"),
        ("{{otp@digits}}", "otpdigits"),
        ("{{http://x/y.mp3@play}}", "httpxy.mpplay"),
        ("<speak><break time='9s'/></speak>", "speakbreak time's'speak"),
        ("Asha\r\nX-Injected: 1", "Asha X-Injected"),
        ("\u202eahsA\u202c\u200f", "ahsA"),
        ("Asha 1 2 3 4", "Asha"),
        ("Asha १२३", "Asha"),
        ("a" * 10_000, "a" * 40),
        ("आ" * 2_000, "आ" * 40),
        ("\x00\x1b[31mAsha", "mAsha"),
    ],
)
def test_name_is_cleaned_before_it_is_spoken(
    api: ApiClient, dialer: ManualDialer, name: str, spoken: str
) -> None:
    """Letters, marks, space, ``'``, ``-`` and ``.``, at most 40; the code is complete."""
    api.create(name=name, code="0123456789")
    assert dialer.decrypt(dialer.claim()) == (ASHA, "0123456789", spoken)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_name_of_any_text_is_accepted(api: ApiClient, dialer: ManualDialer, name: str) -> None:
    """The spoken part is a name."""
    created = api.create(name=name, code="1234")
    _, code, spoken = dialer.decrypt(dialer.claim())
    api.act(created, "cancel")
    assert code == "1234"
    assert 1 <= len(spoken) <= 40
    assert all(c in " '-." or unicodedata.category(c)[0] in "LM" for c in spoken)


@pytest.mark.parametrize("name", [5, True, ["Asha"], {"first": "Asha"}])
def test_name_of_another_type_returns_422(api: ApiClient, name: object) -> None:
    """The error points at it."""
    body = assert_problem(api.create_response(name=name), 422, "invalid_request")
    assert pointers(body) == ["/name"]
