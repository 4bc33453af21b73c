"""Which numbers are called and what of a name is spoken, as it is asked for over HTTP."""

import unicodedata

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem, pointers, settings_with
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
"""No strict E.164, or nothing that a telephone can have."""

NOT_CALLED = [
    "+14155552671",  # the United States
    "+442071838750",  # a land line in Great Britain
    "+12642351234",  # Anguilla
    "+18762345678",  # Jamaica
    "+9779841234567",  # Nepal
    "+911123456789",  # a land line
    "+911800123456",  # toll-free
    "+911861123456789",  # premium
    "+9118603451234",  # shared cost
    "+911401234567",  # telemarketers
    "+911601234567",  # government and banks
    "+881612345678",  # satellite
    "+870773111632",  # ships
    "+80012345678",  # global toll-free
    "+979123456789",  # global premium
    "+883510012345",  # global VoIP
]
"""They exist, and are in no allowed region, of no allowed type or under a denied prefix."""


def test_a_number_is_shown_as_it_is_called(api: ApiClient, dialer: ManualDialer) -> None:
    """Canonical E.164 in the answer and at the provider."""
    assert api.create(ASHA)["to"] == ASHA
    assert dialer.decrypt(dialer.claim())[0] == ASHA


@pytest.mark.parametrize("to", NO_NUMBERS)
def test_what_is_no_number(api: ApiClient, dialer: ManualDialer, to: str) -> None:
    """422 ``invalid_number``; nothing is dialed."""
    assert_problem(api.create_response(to), 422, "invalid_number")
    assert dialer.has_nothing_due()


@pytest.mark.parametrize("to", NOT_CALLED)
def test_a_number_that_is_not_called(api: ApiClient, dialer: ManualDialer, to: str) -> None:
    """422 ``number_not_allowed``; nothing is dialed, and the number is not repeated."""
    answer = api.create_response(to)
    assert_problem(answer, 422, "number_not_allowed")
    assert to not in answer.text
    assert dialer.has_nothing_due()


@pytest.mark.parametrize(
    ("to", "code"), [("+91987", "invalid_number"), ("+14155552671", "number_not_allowed")]
)
def test_a_refused_number_is_pointed_at(api: ApiClient, to: str, code: str) -> None:
    """``to`` is the member at fault, and ``errors`` names it as for every other member."""
    body = assert_problem(api.create_response(to), 422, code)
    assert pointers(body | {"errors": body.get("errors", [])}) == ["/to"]


@pytest.mark.parametrize(
    ("regions", "to", "code"),
    [
        ("US", "+14155552671", None),
        ("US", "+12642351234", "number_not_allowed"),
        ("US", "+18762345678", "number_not_allowed"),
        ("AI", "+12642351234", None),
        ("AI", "+14155552671", "number_not_allowed"),
        ("US", ASHA, "number_not_allowed"),
        ("IN,US", ASHA, None),
        ("", ASHA, "number_not_allowed"),
        ("GB", "+447400123456", None),
        ("GB", "+447781123456", "number_not_allowed"),
    ],
)
def test_the_region_decides_not_the_calling_code(
    environ: dict[str, str], store: RedisStore, regions: str, to: str, code: str | None
) -> None:
    """+1 264 is Anguilla and +44 7781 Guernsey; no region means no number at all."""
    store.sweep("a dialer")
    api = ApiClient(create_app(settings_with(environ, limits_regions=regions), store), store)
    if code is None:
        assert api.create(to)["to"] == to
    else:
        assert_problem(api.create_response(to), 422, code)


def test_a_client_has_regions_of_its_own(environ: dict[str, str], store: RedisStore) -> None:
    """They replace the common ones."""
    store.sweep("a dialer")
    app = create_app(settings_with(environ, clients_bank_regions="US"), store)
    api = ApiClient(app, store)
    assert api.as_bank().create("+14155552671")
    assert_problem(api.as_bank().create_response(ASHA), 422, "number_not_allowed")
    assert_problem(api.create_response("+14155552671"), 422, "number_not_allowed")


def test_types_and_prefixes_are_settings(environ: dict[str, str], store: RedisStore) -> None:
    """A land line where land lines are called; no number that begins with a denied prefix."""
    store.sweep("a dialer")
    changed = settings_with(
        environ, limits_number_types="fixed_line,mobile", limits_deny_prefixes="+9198765"
    )
    api = ApiClient(create_app(changed, store), store)
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
def test_what_is_spoken_of_a_name(
    api: ApiClient, dialer: ManualDialer, name: str, spoken: str
) -> None:
    """Never refused: letters, marks, space, ``'``, ``-`` and ``.``, ≤ 40; the code whole."""
    api.create(name=name, code="0123456789")
    assert dialer.decrypt(dialer.claim()) == (ASHA, "0123456789", spoken)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_no_name_is_ever_refused(api: ApiClient, dialer: ManualDialer, name: str) -> None:
    """Any text is taken, and what is left of it is a name."""
    began = api.create(name=name, code="1234")
    _, code, spoken = dialer.decrypt(dialer.claim())
    api.act(began, "cancel")
    assert code == "1234"
    assert 1 <= len(spoken) <= 40
    assert all(c in " '-." or unicodedata.category(c)[0] in "LM" for c in spoken)


@pytest.mark.parametrize("name", [5, True, ["Asha"], {"first": "Asha"}])
def test_a_name_is_a_string(api: ApiClient, name: object) -> None:
    """Another type is a 422 that points at it."""
    body = assert_problem(api.create_response(name=name), 422, "invalid_request")
    assert pointers(body) == ["/name"]
