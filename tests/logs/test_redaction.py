"""Redaction: which values never appear in a line, and which stay readable.

``OTPVOICE_TEST_EXAMPLES`` is the number of random events to try.
"""

import base64
import json
import math
import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otpvoice.core.keys import LogId, NumberHasher, mask_number
from otpvoice.core.speech import CodeFormat, format_code
from otpvoice.logs.lines import ForeignText, RecordFilter

EXAMPLES = int(os.environ.get("OTPVOICE_TEST_EXAMPLES", "100"))

NUMBER = "+919876543210"
DIGITS = NUMBER.removeprefix("+")
KEY = bytes(range(7, 39))
SECRETS = {
    "a provider's token": 'tok-en/of+a "provider"~\\x',
    "a ring key": base64.b64encode(KEY).decode(),
    "a webhook's secret": "hook-secret-without-figures",
    "a path token": "path.token~of_the_tests",
    "a password of the store": "p%40ss-w0rd",
}
RECORD_FILTER = RecordFilter(SECRETS.values(), clients=["bank-2026"])

CODES = ["4711", "047110", "471102", "0000", "4711020815"]
SPELLED = [
    *("4, 7, 1, 1", "4 7 1 1 0 2", "4-7-1-1", "4.7.1.1", "47 11 02", "[4, 7, 1, 1]", "4\n7\n1\n1"),
    *("'4', '7', '1', '1'", "४७११", "４７１１０２", "4\u00a07\u00a01\u00a01", "otp4711x", "_4711_"),
]
NUMBERS = [DIGITS, f"00{DIGITS}", "+91 98765 43210", "(+91) 98765-43210", quote(NUMBER)]
CREDENTIALS = [
    *("ovk_AbCdefGhiJkl", "ovk_login-backend-of-the-tests", "vct_abcdefgh.ijklmnop"),
    "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhYmMifQ.c2lnbmF0dXJl",
    *("Bearer canary", "bearer canary", "BEARER  canary", "Bearer%20canary", "Bearer: canary"),
    *("Authorization: Basic Y2FuYXJ5", "'authorization': 'canary'", "('Authorization', 'canary')"),
]
ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "without padding": lambda secret: base64.b64encode(secret.encode()).decode().rstrip("="),
    "hex": lambda secret: secret.encode().hex(),
    "in a URL": lambda secret: quote(secret, safe=""),
    "in JSON": lambda secret: json.dumps(secret)[1:-1],
}
POSITIONS: dict[str, Callable[[Any], dict[Any, Any]]] = {
    "an undeclared field": lambda value: {"undeclared": value},
    "the event": lambda value: {"event": value},
    "foreign text": lambda value: {"event": ForeignText(value)},
    "a library's text": lambda value: {"event": ForeignText(f"the reply is <{value}>, so")},
    "the middle of a text": lambda value: {"reason": f"the reply is <{value}>, so"},
    "a key": lambda value: {value: True},
    "a key of bytes": lambda value: {str(value).encode(): True},
    "percent-encoded": lambda value: {"reason": "".join(f"%{byte:02X}" for byte in value.encode())},
}


def log_line(event: dict[Any, Any]) -> str:
    """Return the line as it is written."""
    return json.dumps(RECORD_FILTER(None, "info", dict(event)), ensure_ascii=False)


@pytest.mark.parametrize("place", POSITIONS)
def test_secret_is_redacted_in_every_position(place: str) -> None:
    """No code, number or credential appears, and the line is still written."""
    for secret in (*CODES, *SPELLED, *NUMBERS, *CREDENTIALS):
        line = log_line({"event": "x", **POSITIONS[place](secret)})
        assert secret not in line
        assert "canary" not in line.lower()
        assert "Y2FuYXJ5" not in line
        shown = line.replace(mask_number(NUMBER), "")
        assert sum(map(str.isdigit, shown)) < 4  # the digits left are the count in brackets


@pytest.mark.parametrize("place", POSITIONS)
@pytest.mark.parametrize("form", ENCODINGS)
def test_secret_of_the_settings_is_redacted_in_every_encoding(form: str, place: str) -> None:
    for secret in map(ENCODINGS[form], SECRETS.values()):
        line = log_line(POSITIONS[place](secret))
        assert secret not in line
        assert json.dumps(secret)[1:-1] not in line


@pytest.mark.parametrize("form", [KEY.hex(), base64.urlsafe_b64encode(KEY).decode()])
def test_base64_key_is_redacted_by_its_bytes(form: str) -> None:
    assert form.rstrip("=") not in log_line({"reason": f"key={form}"})


@pytest.mark.parametrize("event", ["x", "http", "call.sent", ForeignText("x")])
@pytest.mark.parametrize("value", ["abc", 12, ["abc"], {"x": "abc"}])
def test_undeclared_field_is_redacted(event: str, value: Any) -> None:
    """Its name stays, so that the missing declaration can be found."""
    names = (
        *("code", "otp", "Code", "authorization", "Authorization", "password", "client_token"),
        *("api_key", "X-Api-Key", "webhook_secret", "event_secret", "name", "cookie", "body"),
    )
    line = RECORD_FILTER(None, "info", {"event": event, **dict.fromkeys(names, value)})
    assert line == {"event": event, **dict.fromkeys(names, "[redacted]")}


def test_number_in_foreign_text_is_masked() -> None:
    """A number without its + may be a code, so all its digits are redacted."""
    text = ForeignText(f"to {NUMBER} or {DIGITS}")
    line = RECORD_FILTER(None, "info", {"event": text, "to": mask_number(NUMBER)})
    assert line == {"event": "to +91******3210 or [12 digits]", "to": "+91******3210"}


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        *(("ovk_x", "[api key]"), ("ova_x", "[api key]"), ("vct_x", "[client token]")),
        *(("eyJabcd.x", "[jwt]"), ("Bearer x", "[credential]"), ("4711", "[4 digits]")),
        *(("authorization: x", "[authorization]"), ("x" * 9999, "[9999 characters]")),
        *(("%34%37%31%31", "[4 digits]"), ("%6F%76%6B_x", "[api key]")),
        *(("%256Fvk_x", "[api key]"), (r"\u096a\u096d\u0967\u0967", "[4 digits]")),
    ],
)
def test_redacted_text_names_the_kind_of_secret(text: str, redacted: str) -> None:
    """A word in brackets shows what was removed; encodings hide nothing."""
    assert RECORD_FILTER(None, "info", {"event": ForeignText(text)}) == {"event": redacted}


FOREIGN = [
    *("Retrying (3 of 5)", "HTTP 500, status 402: Insufficient credits", "it's 100 % “fine”"),
    *("vrf_00000000000000000000000000004711", "flask/app.py:1511 full_dispatch_request"),
    *("0a1b2c3d-1234-4567-8901-123456789012", "नमस्ते"),
]


@pytest.mark.parametrize("text", FOREIGN)
def test_harmless_foreign_text_is_unchanged(text: str) -> None:
    assert RECORD_FILTER(None, "info", {"event": ForeignText(text)}) == {"event": text}


def test_secret_that_looks_encoded_is_redacted_next_to_an_encoded_code() -> None:
    """Decoding the code must not turn the secret into a form that is not searched for."""
    secret = SECRETS["a password of the store"]
    text = ForeignText(f"{secret} and %34%37%31%31")
    assert RECORD_FILTER(None, "info", {"event": text}) == {"event": "[secret] and [4 digits]"}


@given(st.uuids(), st.text("0123456789abcdef", min_size=32, max_size=32))
@settings(max_examples=EXAMPLES)
def test_ids_are_unchanged(known: uuid.UUID, digits: str) -> None:
    ids = {"event": "call.sent", "verification": f"vrf_{digits}", "call": f"call_{digits}"}
    assert RECORD_FILTER(None, "info", dict(ids)) == ids
    if known.version is not None:
        text = ForeignText(f"{known} /x/vrf_{digits}? call_{digits}")
        assert RECORD_FILTER(None, "info", {"event": text}) == {"event": text}


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
@settings(max_examples=EXAMPLES)
def test_log_ids_and_masked_numbers_are_unchanged(number: str) -> None:
    """An operator searches by log id and recognises the masked number."""
    known = {"number": LogId.from_hash(NumberHasher(KEY).hash(number)), "to": mask_number(number)}
    event = {"event": "http", **known}
    assert RECORD_FILTER(None, "info", dict(event)) == event
    assert number[1:] not in log_line({"to": number, "x": [number], number: number})


@pytest.mark.parametrize(
    "odd",
    [
        *(Decimal(471102), datetime.now(UTC), uuid.uuid4(), 10**5000, object(), str.__repr__),
        *(math.nan, math.inf, "\ud800", "\x1b[2J", "4711" * 9999, type("S", (str,), {})("4711")),
    ],
    ids=lambda odd: type(odd).__name__,
)
def test_unreadable_value_is_redacted(odd: Any) -> None:
    """The line is valid JSON in printable characters."""
    line = json.dumps(RECORD_FILTER(None, "info", {"event": "x", "reason": odd}), allow_nan=False)
    assert json.loads(line)["event"] == "x"
    assert "4711" not in line
    assert str(json.loads(line)["reason"]).isprintable()


def test_hostile_value_loses_only_itself() -> None:
    """The value raises on comparison and returns another text from ``str()``."""

    class Hostile(str):
        def __eq__(self, _other: object) -> bool:
            raise RecursionError("4711")

        def __str__(self) -> str:
            return "4711"

        __hash__ = str.__hash__

    line = RECORD_FILTER(
        None, "info", {"event": "http", "client": Hostile("x"), "duration_ms": 1.0}
    )
    assert json.dumps(line) == json.dumps({"event": "http", "client": "x", "duration_ms": 1.0})


def test_empty_and_short_secrets_are_ignored() -> None:
    """Redacting them would make every line unreadable."""
    event = {"event": "x of a"}
    assert RecordFilter(["", "a", "x of"])(None, "info", dict(event)) == event


secrets_ = st.one_of(
    st.text("0123456789", min_size=4, max_size=10),
    st.builds(
        format_code, st.text("0123456789", min_size=4, max_size=10), st.sampled_from(CodeFormat)
    ),
    st.from_regex(r"\+?[1-9][0-9]{6,14}", fullmatch=True),
    st.sampled_from([*SECRETS.values()]),
    st.from_regex(r"(ovk|vct)_[A-Za-z0-9_-]{8,40}", fullmatch=True),
)
noise = st.text("ab \n\"'{}[]:;,.-_=?&%/é", max_size=6)


@given(noise, secrets_, noise)
@settings(max_examples=EXAMPLES)
def test_random_secret_in_random_text_is_redacted(before: str, secret: str, after: str) -> None:
    for line in ({"event": ForeignText(before + secret + after)}, {"reason": before + secret}):
        written = log_line(line)
        assert secret not in written
        assert json.dumps(secret)[1:-1] not in written
