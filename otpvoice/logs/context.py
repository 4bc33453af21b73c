"""The fields that every further line of the same request carries, in the order of their binding."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

from structlog.typing import EventDict

from otpvoice import tracing

_FIELDS: Final[ContextVar[dict[str, Any]]] = ContextVar("log_fields")
"""One variable for all of them: setting one costs as much as binding all fields of a request."""


def start_request(**fields: Any) -> None:
    """Forget the fields of the previous request of this thread, and bind these."""
    _FIELDS.set(fields)


def bind_fields(**fields: Any) -> None:
    """Add fields to every further line of this request."""
    try:
        _FIELDS.get().update(fields)
    except LookupError:
        _FIELDS.set(fields)


def unbind_fields(*names: str) -> None:
    """Remove fields, if they are bound."""
    fields = _FIELDS.get({})
    for name in names:
        fields.pop(name, None)


def bound_fields() -> Mapping[str, Any]:
    """Return the fields of this request."""
    return _FIELDS.get({})


def merge_fields(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Add the bound fields that the event does not have itself, and the trace. For structlog."""
    for name, value in _FIELDS.get({}).items():
        event.setdefault(name, value)
    if tracing.is_on() and (trace_id := tracing.trace_id()):
        event.setdefault("trace_id", trace_id)
    return event
