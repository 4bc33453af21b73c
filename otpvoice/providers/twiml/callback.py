"""Authenticate and parse callbacks (docs/providers/twiml.md, section 5).

A callback is believed only if the vendor signed it and its address is one that this service made
for the call. So a signed message cannot be replayed as the result of another call.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from otpvoice.providers.base import Callback, CallbackAuthError, CallbackParseError, CallReport
from otpvoice.providers.message_body import parse_form
from otpvoice.providers.twiml.account import Account, parse_sid
from otpvoice.providers.twiml.signature import SignatureVerifier, SignedMessage
from otpvoice.providers.twiml.status import (
    parse_reason,
    parse_seconds,
    parse_status,
    safe_raw_status,
)

_NUMBER: Final = re.compile(r"\+?([1-9][0-9]{6,14})")
_KEY: Final = re.compile(r"[0-9*#]")
_LINE: Final = re.compile(r"\+?([0-9]{3,15})")


def parse_callback(callback: Callback, account: Account, verifier: SignatureVerifier) -> CallReport:
    """Return the report of a callback; its status is unknown if the call has not ended.

    The signed address is the one that the vendor got for the call, whatever a proxy made of it.

    Args:
        callback: its body is a form.
        account: made the callback's address.
        verifier: has the keys of the account.

    Raises:
        CallbackAuthError: it is not signed, or the address is not one for a call.
        CallbackParseError: it is signed, and reports no state of a call.
    """
    call_id, mac = callback.query.get("call", ""), callback.query.get("mac", "")
    if not account.is_own_address(call_id, mac, callback.path_token):
        raise CallbackAuthError
    message = signed_message(callback, account.callback_urls(call_id))
    if not verifier.is_signed(message):
        raise CallbackAuthError
    return _to_report(call_id, {name: values[-1] for name, values in message.form.items()})


def signed_message(callback: Callback, urls: Sequence[str]) -> SignedMessage:
    """Return what is signed of a request to one of these addresses."""
    return SignedMessage(
        urls=urls,
        body=callback.body,
        form=_parse_form(callback.body),
        headers=callback.headers,
    )


def parse_digits(message: SignedMessage) -> str:
    """Return the one key that a signed message reports; empty if there is not exactly one."""
    digits = message.form.get("Digits", ())
    return digits[0] if len(digits) == 1 and _KEY.fullmatch(digits[0]) else ""


def _parse_form(body: bytes) -> dict[str, list[str]]:
    """Return every value of every member; nothing if the body is not a form.

    A body that is not a form is not rejected here, because nobody has authenticated it yet.
    """
    try:
        pairs = parse_form(body)
    except ValueError:
        return {}
    form: dict[str, list[str]] = defaultdict(list)
    for name, value in pairs:
        form[name].append(value)
    return dict(form)


def _to_report(call_id: str, members: Mapping[str, str]) -> CallReport:
    word = members.get("CallStatus", "")
    if not word:
        raise CallbackParseError("CallStatus is missing")
    status, is_known = parse_status(word, members.get("SipResponseCode"))
    sid = parse_sid(members.get("CallSid"))
    number = _NUMBER.fullmatch(members.get("To", "").strip())
    line = _LINE.fullmatch(members.get("From", "").strip())
    return CallReport(
        ids=(call_id, sid) if sid else (call_id,),
        mode=None,
        bridge=line[1] if line else None,
        number=f"+{number[1]}" if number else None,
        status=status,
        reason=parse_reason(word),
        raw=safe_raw_status(word),
        started_at_ms=None,  # the call is found by its id
        duration_s=parse_seconds(members.get("CallDuration")),
        is_known_status=is_known,
    )
