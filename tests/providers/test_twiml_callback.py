"""Callbacks of the TwiML family: docs/providers/twiml.md, section 5."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from providers.twiml_callbacks import receive, sign_form, verifier
from providers.twiml_samples import (
    ADDRESSES,
    BRIDGE,
    CALL_ID,
    CALLBACK,
    NUMBER,
    PATH_TOKEN,
    SID,
    TELNYX_SID,
    account,
)

from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.providers.base import Callback, CallbackParseError, CallReport
from otpvoice.providers.twiml.provider import Twiml


def report(**members: Any) -> CallReport:
    """Receive Twilio's callback with these members; None leaves one out."""
    given = {**CALLBACK, **members}
    body = urlencode({name: value for name, value in given.items() if value is not None}).encode()
    (url,) = account().callback_urls(CALL_ID)
    return receive(url, body, {"x-twilio-signature": sign_form(url, body)})


def test_documented_callback() -> None:
    """Our id comes first; the number, the line and the length of the conversation are read."""
    assert report() == CallReport(
        ids=(CALL_ID, SID),
        mode=None,
        bridge=BRIDGE,
        number=NUMBER,
        status=CallStatus.ANSWERED,
        reason=None,
        raw="completed",
        started_at_ms=None,
        duration_s=17,
    )


@pytest.mark.parametrize(
    ("word", "status", "is_known"),
    [
        ("completed", CallStatus.ANSWERED, True),
        ("Completed", CallStatus.ANSWERED, True),
        ("busy", CallStatus.BUSY, True),
        ("no-answer", CallStatus.NO_ANSWER, True),
        ("no_answer", CallStatus.NO_ANSWER, True),
        ("failed", CallStatus.FAILED, True),
        ("canceled", CallStatus.NO_ANSWER, True),
        ("cancelled", CallStatus.NO_ANSWER, True),
        *((w, CallStatus.UNKNOWN, True) for w in ("queued", "initiated", "ringing", "in-progress")),
        *((w, CallStatus.UNKNOWN, False) for w in ("voicemail", "COMPLETE", "answer", "1234567")),
    ],
)
def test_status_words(word: str, status: CallStatus, is_known: bool) -> None:
    """A word in no table is unknown, never "not answered"."""
    parsed = report(CallStatus=word)
    assert (parsed.status, parsed.is_known_status) == (status, is_known)
    hung_up = CallReason.HUNG_UP_BEFORE_ANSWER if word.startswith("cancel") else None
    assert parsed.reason is hung_up


@pytest.mark.parametrize(
    ("word", "sip_code", "status"),
    [
        ("failed", "480", CallStatus.NO_ANSWER),
        ("failed", "408", CallStatus.NO_ANSWER),
        ("failed", "404", CallStatus.FAILED),
        ("failed", "", CallStatus.FAILED),
        ("completed", "480", CallStatus.ANSWERED),
        ("busy", "480", CallStatus.BUSY),
    ],
)
def test_sip_code_of_a_failed_call(word: str, sip_code: str, status: CallStatus) -> None:
    """A phone that is off was called and not answered."""
    assert report(CallStatus=word, SipResponseCode=sip_code).status is status


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"CallSid": None}, {"ids": (CALL_ID,)}),
        ({"CallSid": "no id"}, {"ids": (CALL_ID,)}),
        ({"CallSid": TELNYX_SID}, {"ids": (CALL_ID, TELNYX_SID)}),
        ({"To": NUMBER[1:], "From": f"+{BRIDGE}"}, {"number": NUMBER, "bridge": BRIDGE}),
        ({"To": "sip:x@y", "From": "ACME"}, {"number": None, "bridge": None}),
        ({"To": None, "From": None, "CallDuration": None}, {"number": None, "duration_s": None}),
        ({"CallDuration": "00:17"}, {"duration_s": None}),
        ({"CallDuration": "-1"}, {"duration_s": None}),
        ({"CallDuration": "9" * 400}, {"duration_s": None}),
        ({"CallStatus": "x" * 400}, {"raw": "x" * 40}),
        ({"CallStatus": "code 4 7 1"}, {"raw": None}),
        ({"AnsweredBy": "machine_start"}, {"status": CallStatus.ANSWERED}),
        ({"Neu": "é=&", "": ""}, {"status": CallStatus.ANSWERED}),
    ],
)
def test_members_without_sense_count_as_missing(
    members: dict[str, Any], expected: dict[str, Any]
) -> None:
    """A callback's purpose is to report how the call ended."""
    parsed = report(**members)
    assert {name: getattr(parsed, name) for name in expected} == expected


@pytest.mark.parametrize("word", [None, ""])
def test_signed_callback_without_status_is_an_error(word: str | None) -> None:
    """The text names the missing member."""
    with pytest.raises(CallbackParseError, match="CallStatus"):
        report(CallStatus=word)


@pytest.mark.parametrize(
    ("word", "reports"),
    [
        *((word, 0) for word in ("queued", "initiated", "ringing", "in-progress", "answered")),
        *((word, 1) for word in ("completed", "busy", "no-answer", "failed", "voicemail")),
    ],
)
def test_call_that_has_not_ended_has_no_report(word: str, reports: int) -> None:
    """It would count as a call whose end is unknown."""
    body = urlencode({**CALLBACK, "CallStatus": word}).encode()
    (url,) = account().callback_urls(CALL_ID)
    parts = urlsplit(url)
    callback = Callback(
        body=body,
        query=dict(parse_qsl(parts.query)),
        headers={"x-twilio-signature": sign_form(url, body)},
        path_token=PATH_TOKEN,
    )
    adapter = Twiml(account=account(), addresses=ADDRESSES, verifier=verifier())
    assert len(adapter.parse_callback(callback)) == reports
