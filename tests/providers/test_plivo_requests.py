"""Requests of Plivo to this service: which of them are authentic, and what they report."""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from providers.plivo_samples import (
    ANSWER_URL,
    CALL_ID,
    LINE,
    TOKENS,
    URL,
    adapter,
    hangup_form,
    sign,
    signed_callback,
)

from otpvoice.core.keys import CallTokens, KeyRing
from otpvoice.core.verification import CallStatus
from otpvoice.providers.base import CallbackAuthError, CallbackParseError


def test_signed_callback_is_parsed() -> None:
    """The id of the call is in the address."""
    (report,) = adapter().parse_callback(signed_callback())
    assert (report.ids[0], report.status) == (CALL_ID, CallStatus.ANSWERED)


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {}},
        {"headers": sign(URL, hangup_form(), "other")},
        {"method": "GET"},
        {"method": "PUT"},
        {"url": URL.replace("otp.", "evil.")},
        {"body": b""},
        {"body": b"CallStatus=busy"},
        {"body": b"\xff=1"},
        {"body": b"a=1&" * 101},
        {"body": b'{"CallStatus": "busy"}'},
    ],
)
def test_other_callback_is_refused(changes: dict[str, Any]) -> None:
    """By its signature, before anything in it is used."""
    for url in (URL, ANSWER_URL):
        with pytest.raises(CallbackAuthError):
            adapter().parse_callback(replace(signed_callback(url), **changes))
        with pytest.raises(CallbackAuthError):
            adapter().parse_answer(replace(signed_callback(url), **changes))


def test_callback_that_names_no_call_is_refused() -> None:
    """It is never confirmed and lost."""
    url = URL.partition("?")[0] + "?call=x"
    form = {"CallStatus": "busy", "From": LINE}
    with pytest.raises(CallbackParseError, match="it names no call"):
        adapter().parse_callback(signed_callback(url, form))


@given(
    st.dictionaries(
        st.sampled_from([*hangup_form(), "Digits", ""]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    ),
    st.text("call_0123456789abcdef/.%", max_size=40),
)
def test_signed_callback_with_any_content_is_parsed_or_refused(
    form: dict[str, str], call: str
) -> None:
    """Nothing else is raised, and what is stored and logged is bounded."""
    url = f"{URL.partition('?')[0]}?{urlencode({'call': call})}"
    callback = replace(
        signed_callback(url, form),
        headers=sign(f"{URL.partition('?')[0]}?call={call}", form) if form else {},
        query={"call": call},
    )
    try:
        (report,) = adapter().parse_callback(callback)
    except (CallbackAuthError, CallbackParseError):
        return
    assert all(re.fullmatch(r"[\w-]{8,64}", each, re.ASCII) for each in report.ids)
    assert report.number is None or re.fullmatch(r"\+[1-9][0-9]{6,14}", report.number)
    assert report.raw is None or len(report.raw) <= 40
    assert report.duration_s is None or report.duration_s >= 0


def test_answer_returns_its_call() -> None:
    """The token in the path is the one of the call in the query."""
    form = hangup_form(CallStatus="in-progress")
    assert adapter().parse_answer(signed_callback(ANSWER_URL, form)) == CALL_ID


@pytest.mark.parametrize(
    "url",
    [
        ANSWER_URL[:-1] + "0",
        ANSWER_URL.partition("?")[0],
        ANSWER_URL.replace("call=call_", "call="),
        URL,
        ANSWER_URL.replace(TOKENS.issue(CALL_ID), TOKENS.issue(CALL_ID[:-1] + "0")),
        ANSWER_URL.replace(TOKENS.issue(CALL_ID), CallTokens(KeyRing([b"k" * 32])).issue(CALL_ID)),
        ANSWER_URL.replace(TOKENS.issue(CALL_ID), ""),
    ],
)
def test_signed_answer_with_another_token_is_refused(url: str) -> None:
    """A signature of the provider alone opens no call."""
    with pytest.raises(CallbackAuthError):
        adapter().parse_answer(signed_callback(url))
