"""Field types: a fitting value is written, and no code, number or credential fits a type."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from itertools import product
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logs.test_redaction import CODES, CREDENTIALS, ENCODINGS, NUMBERS, SECRETS, SPELLED

from otpvoice.core.keys import LogId, NumberHasher, mask_number
from otpvoice.core.verification import CallStatus
from otpvoice.logs.events import COMMON_FIELDS, EVENTS, EXCEPTION_FIELDS, FIELDS
from otpvoice.logs.field_types import REDACTED, TEXTS
from otpvoice.logs.lines import RecordFilter

HEX_SECRET: Final = "00112233445566778899aabbccddeeff"
"""A secret of 16 bytes, with the length of an id's digits."""
REDACTOR: Final = RecordFilter([*SECRETS.values(), HEX_SECRET], clients=["bank-2026"])
DECLARED: Final = sorted(
    {(name, field) for name, event in EVENTS.items() for field in event.field_names}
)
PROCESS_FIELDS: Final = {"pid", "lines"}
"""Fields whose numbers may have as many digits as a code."""
PROCESS_EVENTS: Final = {"server", "worker", "log", "dialer"}
"""The only groups of events that may carry them: no code is in scope where they are logged."""


def render(event: str, field: str, value: Any) -> Any:
    """Return the value of one field in the line."""
    return REDACTOR(None, "info", {"event": event, field: value})[field]


def test_fields_of_all_events_are_those_declared() -> None:
    """Each used field has a type, and no declared field is unused."""
    used = {field for event in EVENTS.values() for field in event.field_names}
    assert used | {*COMMON_FIELDS, *EXCEPTION_FIELDS, "logger"} == {*FIELDS}
    assert all(event.meaning.endswith(".") and event.level for event in EVENTS.values())


def test_fields_with_long_numbers_are_on_process_events_only() -> None:
    """A code cannot appear where a process id may."""
    with_them = {name for name, field in DECLARED if field in PROCESS_FIELDS}
    assert {name.partition(".")[0] for name in with_them} <= PROCESS_EVENTS
    assert not PROCESS_FIELDS & {*COMMON_FIELDS, *EXCEPTION_FIELDS}


@pytest.mark.parametrize("name", EVENTS)
def test_secret_in_any_declared_field_is_redacted(name: str) -> None:
    """The secret comes as text, bytes, list, mapping and exception, in every spelling."""
    fields = [*EVENTS[name].field_names, *(COMMON_FIELDS if name == "http" else ())]
    texts = [*CODES, *SPELLED, *NUMBERS, *CREDENTIALS, HEX_SECRET]
    texts += [form(secret) for form in ENCODINGS.values() for secret in SECRETS.values()]
    for field, text in product(fields, texts):
        for value in (text, f"x {text}", text.encode(), [text], {"x": text}, ValueError(text)):
            line = json.dumps(render(name, field, value), ensure_ascii=False)
            assert text not in line, (field, value)
            assert json.dumps(text)[1:-1] not in line, (field, value)


@pytest.mark.parametrize("code", [4711, 471102, -471102, 4711020815, 4711.0, 471102.0, 0.471102])
def test_code_as_number_is_rounded_or_redacted(code: float) -> None:
    """Of an integer of four or more digits, the line shows two at most."""
    assert not [
        (event, field)
        for event, field in DECLARED
        if field not in PROCESS_FIELDS and "471" in json.dumps(render(event, field, code))
    ]


@pytest.mark.parametrize(
    "odd",
    [b"x", object(), {"x": 1}, {1}, ["x"], 10**5000, float("nan"), 1j],
    ids=lambda odd: type(odd).__name__,
)
def test_value_of_wrong_type_is_redacted_visibly(odd: Any) -> None:
    """The line is still written, as valid JSON."""
    an_event = {field: event for event, field in reversed(DECLARED)}
    shown = {field: render(an_event.get(field, "http"), field, odd) for field in FIELDS}
    if odd == ["x"]:  # texts may be a list
        shown = {field: value for field, value in shown.items() if FIELDS[field] is not TEXTS}
    assert {json.dumps(value, allow_nan=False) for value in shown.values()} <= {
        json.dumps(REDACTED),
        json.dumps([REDACTED]),  # frames are redacted one by one
    }, shown


def test_boolean_and_count_do_not_fit_each_other() -> None:
    """Python treats a boolean as an integer."""
    assert render("event.delivered", "attempts", True) == REDACTED
    assert render("verification.checked", "valid", 1) == REDACTED


def test_text_that_looks_like_a_log_id_is_redacted() -> None:
    """Only a ``LogId`` fits, because a password may also have eight letters."""
    assert render("http", "number", "aBjxcvQm") == REDACTED


class _Word(StrEnum):
    SOME = "some_word"


FITTING: Final[list[tuple[str, str, Any, Any]]] = [
    ("http", "request_id", "0a1b2c3d456789010a1b2c3d45678901", None),
    ("http", "request_id", "login-7", None),
    ("http", "verification", "vrf_00000000000000000000000000004711", None),
    ("http", "to", "+91******3210", None),
    ("http", "number", LogId.from_hash(NumberHasher(bytes(32)).hash("+919876543210")), None),
    ("http", "client", "bank-2026", None),
    ("http", "app", True, None),
    ("http", "method", "POST", None),
    ("http", "method", "SECRET", "_OTHER"),
    ("http", "route", "/v1/verifications/<verification_id>/checks", None),
    ("http", "route", "/.well-known/jwks.json", None),
    ("http", "route", "-", None),
    ("http", "http_status", 503, None),
    ("http", "duration_ms", 12345.6, None),
    ("http", "error", "ConnectionResetError", None),
    ("http", "traceback", ["flask/app.py:1511 dispatch", "<string>:5 <lambda>"], None),
    ("call.sent", "call", f"call_{'12345678' * 4}", None),
    ("call.sent", "route", "obd", None),
    ("call.sent", "status", CallStatus.PLACED, "placed"),
    ("call.sent", "status", None, None),
    ("call.sent", "outcome", _Word.SOME, "some_word"),
    ("call.sent", "detail", "HTTP 500, status 402: Insufficient credits", None),
    ("callback.received", "provider_status", "NOANSWER_LEG1", None),
    ("event.delivered", "status", 204, None),
    ("event.delivered", "type", "verification.approved", None),
    ("event.delivered", "attempts", 3, None),
    ("event.dropped", "dropped", 999, None),
    ("event.dropped", "dropped", 12_345, 12_000),
    ("dialer.started", "dialer", "1234567890abcdef1234567890123456", None),
    ("dialer.started", "threads", 64, None),
    ("breaker.opened", "breaker", "conversion_breaker area +919876", None),
    ("breaker.opened", "breaker", "wrong_code_breaker", None),
    ("breaker.opened", "open_for", 1800, None),
    ("number.blocked", "seconds", 31_536_000, None),
    ("number.blocked", "happened_at", "2026-01-01T00:00:00Z", None),
    ("number.blocked", "operator", "console: asha", None),
    ("number.blocked", "operator", "uid 10001", None),
    ("operator.searched", "query", "a reference", None),
    ("operator.searched", "query", "+91******3210", None),
    ("server.starting", "version", "27.0.1", None),
    ("server.listening", "address", "http://127.0.0.1:18000", None),
    ("server.listening", "address", "http://[::1]:8000,unix:/run/otpvoice.sock", None),
    ("server.listening", "pid", 4_194_303, None),
    ("worker.exited", "exit_status", -9, None),
    ("worker.killed", "signal", "SIGKILL", None),
    ("log.lines_dropped", "lines", 123_456, None),
]


@pytest.mark.parametrize(("event", "field", "value", "shown"), FITTING)
def test_fitting_value_is_written_unchanged(event: str, field: str, value: Any, shown: Any) -> None:
    assert render(event, field, value) == (value if shown is None else shown)


@given(st.floats(0, 999_999), st.integers(0, 999), st.datetimes(timezones=st.just(UTC)))
def test_measurements_are_written_precisely(ms: float, few: int, time: datetime) -> None:
    """Durations to a tenth of a millisecond; small counts and timestamps exactly."""
    shown = render("http", "duration_ms", ms)
    assert abs(shown - ms) <= 0.1 or (ms.is_integer() and abs(shown - ms) < 0.06 * ms)
    assert render("event.delivered", "attempts", few) == few
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)
    assert render("number.blocked", "happened_at", text) == text


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_log_id_and_masked_number_are_written_for_any_number(number: str) -> None:
    """Short numbers too; a whole number is redacted."""
    key = NumberHasher(bytes(range(32)))
    assert render("http", "to", mask_number(number)) == mask_number(number)
    assert render("http", "number", LogId.from_hash(key.hash(number))) != REDACTED
    assert render("http", "to", number) == REDACTED
