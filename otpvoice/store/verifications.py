"""Clients' verifications in the store: the operations of the service, and their replies."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec
from msgspec import structs

from otpvoice import tracing
from otpvoice.core.store_port import (
    Idempotency,
    NewCall,
    NewestOf,
    NewVerification,
    StoreResult,
)
from otpvoice.core.verification import (
    Call,
    CallReason,
    CallStatus,
    EndReason,
    Status,
    Verification,
)
from otpvoice.store import SHOWN_CALL_FIELDS, SHOWN_FIELDS, UnreadableRecord
from otpvoice.store.functions import BaseStore, Fields, Value

_Kind = TypeVar("_Kind")
_NOT_FOUND: Final = StoreResult("not_found")
_CALL_REASONS: Final = frozenset(CallReason)
_END_REASONS: Final = frozenset(EndReason)
_STATE: Final = {
    name.encode(): name for name in ("now", "gap_until", "limit_until", "wrong_codes_until")
}
"""Numbers in a reply about a verification that are not in its record, and their members."""


_Column = tuple[str, Callable[[bytes], Any]]
"""A member of a verification or a call, and what decodes its value."""


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _flag(value: bytes) -> bool:
    return value == b"1"


def _words(kind: type[StrEnum]) -> Mapping[bytes, StrEnum]:
    return MappingProxyType({each.encode(): each for each in kind})


_DECODERS: Final[Mapping[str, Callable[[bytes], Any]]] = MappingProxyType(
    {
        "encrypted_number": bytes,
        **dict.fromkeys(("own_code", "heard"), _flag),
        **dict.fromkeys(
            (
                *("created_at", "expires_at", "ended_at", "version", "code_length", "checks_left"),
                *("queue_margin", "due_at", "not_before", "sent_at", "live_until", "placed_at"),
                "duration",
            ),
            int,
        ),
    }
)
"""By member; others are text."""


def _columns(
    names: Iterable[str], statuses: type[StrEnum], reasons: type[StrEnum]
) -> tuple[_Column, ...]:
    """Return the columns of a row. A reason of another release is left out."""
    decoders = {
        **_DECODERS,
        "status": _words(statuses).__getitem__,
        "reason": _words(reasons).get,
    }
    return tuple((name, decoders.get(name, _text)) for name in names)


_COLUMNS: Final = _columns(SHOWN_FIELDS, Status, EndReason)
_CALL_COLUMNS: Final = _columns(SHOWN_CALL_FIELDS, CallStatus, CallReason)


class VerificationStore(BaseStore):
    """Implements :class:`otpvoice.core.store_port.Store`, whose outcomes it returns."""

    def create(self, new: NewVerification) -> StoreResult:
        """Start a verification or return the pending one, and queue its call."""
        client = self.policy.limits.clients.get(new.client)
        arguments = structs.asdict(new) | structs.asdict(new.limit_keys)
        for name in ("id", "client", "idempotency", "limit_keys"):
            del arguments[name]
        # Stored for processes whose settings lack the client.
        arguments["events"] = new.client in self.policy.clients_with_events
        arguments["deliver_only"] = client is not None and client.deliver_only
        arguments["traceparent"] = tracing.traceparent()
        arguments |= _call_arguments(arguments.pop("call"))
        return self._call_step("create", new.id, new.client, new.idempotency, **arguments)

    def get(self, verification: str | NewestOf, client: str) -> StoreResult:
        """Return a verification."""
        return self._call_step("get", verification, client)

    def check(
        self,
        verification: str | NewestOf,
        client: str,
        length: int,
        digests: list[bytes],
        idempotency: Idempotency | None = None,
    ) -> StoreResult:
        """Count, compare and consume one code."""
        return self._call_step(
            "check", verification, client, idempotency, code_length=length, digest=digests
        )

    def close_verification(
        self, verification: str | NewestOf, client: str, status: Status, reason: EndReason
    ) -> StoreResult:
        """Cancel or approve a verification."""
        return self._call_step(
            "close_verification", verification, client, status=status, reason=reason
        )

    def request_call(
        self,
        verification_id: str,
        client: str,
        call: NewCall,
        idempotency: Idempotency | None = None,
    ) -> StoreResult:
        """Queue a call, or bring a delayed one forward."""
        arguments = {**_call_arguments(call), "flow": call.flow}
        return self._call_step("request_call", verification_id, client, idempotency, **arguments)

    def _call_step(
        self,
        function: str,
        verification: str | NewestOf,
        client: str,
        idempotency: Idempotency | None = None,
        **arguments: Value,
    ) -> StoreResult:
        """Return the result of a function about one verification.

        A record that cannot be decoded is quarantined, and the verification is not found.
        """
        meant: dict[str, Value] = (
            structs.asdict(verification)
            if isinstance(verification, NewestOf)
            else {"id": verification}
        )
        reply = self._call(
            function,
            client=client,
            idempotency_key=f"{client}:{idempotency.key_hash}" if idempotency else None,
            body_hash=idempotency.body_hash if idempotency else None,
            **meant,
            **arguments,
        )
        try:
            return decode_result(reply)
        except UnreadableRecord as error:
            self.quarantine(error)
            return _NOT_FOUND


@contextmanager
def decoding(record: str, text: bytes | None = None) -> Iterator[None]:
    """Turn every error of the block, which decodes ``record`` or its ``text``, into one.

    Raises:
        UnreadableRecord: the block failed.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, msgspec.MsgspecError) as error:
        reason = f"cannot be decoded ({type(error).__name__})"
        raise UnreadableRecord(record, reason, text) from error


def _call_arguments(call: NewCall) -> dict[str, Value]:
    return {
        "call_id": call.id,
        "bridge": call.bridge,
        "caller_id": call.caller_id,
        "call_route": call.route,
        "call_locale": call.locale,
    }


def decode_result(reply: Fields) -> StoreResult:
    """Decode what ``Verifications.result()`` returns.

    Raises:
        UnreadableRecord: the verification, or one of its calls.
    """
    outcome = reply[b"outcome"].decode()
    first_outcome = outcome.removeprefix("replayed ")
    return StoreResult(
        outcome=first_outcome,
        verification=_decode_verification(reply) if b"verification" in reply else None,
        retry_after_ms=reply[b"retry_after_ms"],
        is_replayed=first_outcome != outcome,
    )


def _decode_verification(reply: Fields) -> Verification:
    calls = []
    for row in reply[b"calls"]:
        with decoding(f"call:{_text(row[0])}"):
            calls.append(_decode_call(row))
    values = reply[b"verification"]
    with decoding(f"verification:{_text(values[0])}"):
        return Verification(
            **_members(_COLUMNS, values),
            **{name: reply[key] for key, name in _STATE.items()},
            limit=reply[b"limit"].decode(),
            encrypted_transaction=reply.get(b"encrypted_transaction", b""),
            calls=tuple(calls),
        )


def _decode_call(row: Sequence[bytes | None]) -> Call:
    members = _members(_CALL_COLUMNS, row)
    members.setdefault("not_before", 0)
    if "caller_id" not in members:
        members["caller_id"] = f"+{members['bridge']}"
    return Call(**members)


def _members(columns: Sequence[_Column], row: Sequence[bytes | None]) -> dict[str, Any]:
    """Decode the values of a record, which the functions have validated (``SCHEMAS``)."""
    return {
        name: decode(value)
        for (name, decode), value in zip(columns, row, strict=True)
        if value is not None
    }


def to_verification(
    members: dict[str, Any], encrypted: Mapping[str, bytes], calls: Iterable[Call]
) -> Verification:
    """Convert the members of a record, and those that are encrypted.

    A reason of another release is left out.
    """
    if members.get("reason") not in _END_REASONS:
        members.pop("reason", None)
    members |= {**encrypted, "calls": [*calls]}
    return msgspec.convert(members, Verification, strict=False)


def to_call(members: dict[str, Any]) -> Call:
    """Convert the members of a record. A reason of another release is left out."""
    if members.get("reason") not in _CALL_REASONS:
        members.pop("reason", None)
    defaults = {"not_before": 0, "caller_id": f"+{members['bridge']}"}
    return msgspec.convert(defaults | members, Call, strict=False)


def convert(reply: Fields, kind: type[_Kind]) -> _Kind:
    """Convert a reply without binary values. Its names are those of the members of ``kind``."""
    return msgspec.convert(decode_text(reply), kind, strict=False)


def decode_text(value: Any) -> Any:
    """Decode all names and values of a reply."""
    match value:
        case bytes():
            return value.decode()
        case list():
            return [*map(decode_text, value)]
        case dict():
            return {name.decode(): decode_text(each) for name, each in value.items()}
    return value
