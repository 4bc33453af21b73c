"""Spans of OpenTelemetry, so that one trace shows a request, its calls and its events.

Without the package ``opentelemetry-api``, or without a tracer provider in the process, there are no
spans. Then all that is left is the ``traceparent`` that a client sent (W3C Trace Context): it is
stored with the verification, and sent with its events.

A span holds ids, words and numbers of HTTP statuses, as lines of the log do: no code, no phone
number, no path and no text of an exception.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

try:
    from opentelemetry import trace
    from opentelemetry.context import Context
except ImportError:  # without the extra "tracing"
    trace = Context = None

Attributes = Mapping[str, str | int | None]
"""By name. None is left out."""

_TRACEPARENT: Final = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<ids>(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
"""https://www.w3.org/TR/trace-context/#traceparent-header"""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_UNTRACED_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines, so their traces would bury all others."""
_REQUEST_FIELDS: Final = ("request_id", "client", "verification")
"""Fields of a request's log lines that its span has. None of them is a number."""
_OFF: Final[AbstractContextManager[None]] = nullcontext()
_CARRIED: Final[ContextVar[str | None]] = ContextVar("traceparent", default=None)
"""Of the current span; in a process without spans, that of the request, call or event that this
thread works on, as it was received."""


@cache
def _tracer() -> Any:
    """Return the tracer; None in a process without a tracer provider when this is first called."""
    if trace is None:
        return None
    provider = trace.get_tracer_provider()
    tracer = provider.get_tracer("otpvoice")
    is_off = isinstance(provider, trace.ProxyTracerProvider) or isinstance(tracer, trace.NoOpTracer)
    return None if is_off else tracer


@cache
def is_on() -> bool:
    """Return whether this process has a tracer provider.

    What runs for every request asks this first, so that without spans it does nothing more.
    """
    return _tracer() is not None


# A process that logs before it forks has no provider yet; the forked one may get its own.
os.register_at_fork(after_in_child=_tracer.cache_clear)
os.register_at_fork(after_in_child=is_on.cache_clear)


def parse_traceparent(header: str | None) -> str | None:
    """Return a received ``traceparent`` as this service sends it on; None if it is malformed.

    Of a later version only the parts that version 00 has are kept, as the standard requires.
    """
    match = _TRACEPARENT.fullmatch(header) if header else None
    if match is None or (match["version"] == "00" and match["more"]):
        return None
    return f"00-{match['ids']}-{int(match['flags'], 16) & 1:02x}"


# Spans ---------------------------------------------------------------------------------------


def serve_request(method: str, path: str, header: str | None) -> AbstractContextManager[None]:
    """Return the span of a request to this service; :func:`finish_request` completes it.

    Args:
        method: of HTTP.
        path: decides whether there is a span; it is not recorded.
        header: ``traceparent`` as received.
    """
    parent = parse_traceparent(header)
    if _tracer() is None or path in _UNTRACED_PATHS:
        return _carried(parent) if parent else _OFF
    known = method if method in _METHODS else "_OTHER"
    return _started(known, "SERVER", parent, {"http.request.method": known})


def finish_request(method: str, rule: str, status: int, fields: Mapping[str, Any]) -> None:
    """Complete the span of a request, in a process with spans.

    Args:
        method: of HTTP. Those that no standard has are recorded as ``_OTHER``.
        rule: the route's pattern, never the path, which may hold ids and secrets.
        status: of the response.
        fields: those of the request's log lines, of which some are recorded.
    """
    known = method if method in _METHODS else "_OTHER"
    trace.get_current_span().update_name(f"{known} {rule}")
    own = {f"otpvoice.{name}": fields.get(name) for name in _REQUEST_FIELDS}
    describe({"http.route": rule, "http.response.status_code": status, **own})
    if status >= 500:
        fail(str(status))


def continue_trace(
    name: str, kind: str, traceparent: str | None, attributes: Attributes
) -> AbstractContextManager[None]:
    """Return a span of the trace in which a verification was created.

    Args:
        name: of the span.
        kind: name of a member of ``SpanKind``.
        traceparent: as stored with the verification.
        attributes: of the span.
    """
    parent = parse_traceparent(traceparent)
    if _tracer() is None:
        return _carried(parent) if parent else _OFF
    return _started(name, kind, parent, attributes)


def call_store(function: str) -> AbstractContextManager[None]:
    """Return the span of one call of a store function.

    Like :func:`send_request` it makes no trace of its own: there is a span within another one only,
    so the loops that ask for work leave none.
    """
    if not _is_recording():
        return _OFF
    attributes = {
        "db.system.name": "redis",
        "db.operation.name": "FCALL",
        "db.stored_procedure.name": function,
    }
    return _started(f"FCALL {function}", "CLIENT", None, attributes)


def send_request(method: str, url: str) -> AbstractContextManager[None]:
    """Return the span of an HTTP request that this service sends.

    The path is not recorded: it may hold numbers, ids of accounts and secrets.
    """
    if not _is_recording():
        return _OFF
    address = urlsplit(url)
    attributes = {
        "http.request.method": method,
        "server.address": address.hostname,
        "server.port": address.port or {"https": 443}.get(address.scheme, 80),
    }
    return _started(method, "CLIENT", None, attributes)


def finish_sending(status: int | None, failure: str) -> None:
    """Complete the span of :func:`send_request`.

    Args:
        status: of the response, if that much arrived.
        failure: why there is no complete response: the name of a class, or a proxy's error.
    """
    describe({"http.response.status_code": status})
    if failure:
        fail(failure if failure.isidentifier() else "ProxyError")
    elif status is not None and status >= 400:
        fail(str(status))


def add_to_trace(name: str, traceparent: str | None, attributes: Attributes) -> None:
    """Record something that just happened as a span of the trace in which a verification was made.

    The span links to the current one, which is of another trace.
    """
    if traceparent is None or _tracer() is None or (context := _remote(traceparent)) is None:
        return
    current = trace.get_current_span().get_span_context()
    if current.trace_id == trace.get_current_span(context).get_span_context().trace_id:
        return
    span = _tracer().start_span(
        name, context=context, attributes=_present(attributes), links=[trace.Link(current)]
    )
    span.end()


def link(traceparent: str) -> None:
    """Link the current span to the trace in which a verification was created, if it is another."""
    if not _is_recording() or (context := _remote(traceparent)) is None:
        return
    span = trace.get_current_span()
    created = trace.get_current_span(context).get_span_context()
    if created.trace_id != span.get_span_context().trace_id:
        span.add_link(created)


def describe(attributes: Attributes) -> None:
    """Add attributes to the current span."""
    if _is_recording():
        trace.get_current_span().set_attributes(_present(attributes))


def fail(error_type: str) -> None:
    """Mark the current span as failed. ``error_type``: a class, a status or a word; no text."""
    if _is_recording():
        span = trace.get_current_span()
        span.set_attribute("error.type", error_type)
        span.set_status(trace.StatusCode.ERROR)


# Ids -----------------------------------------------------------------------------------------


traceparent: Final = _CARRIED.get
"""Returns what to store and to send on: of the current span, or else as it was received."""


def trace_id() -> str | None:
    """Return the trace of the current span if it is recorded, for the log."""
    if not _is_recording():
        return None
    return f"{trace.get_current_span().get_span_context().trace_id:032x}"


def _is_recording() -> bool:
    return _tracer() is not None and bool(trace.get_current_span().is_recording())


def _remote(traceparent: str | None) -> Any:
    """Return the context of a span in another process; None without one."""
    if (valid := parse_traceparent(traceparent)) is None:
        return None
    _, trace_hex, span_hex, flags = valid.split("-")
    remote = trace.SpanContext(
        int(trace_hex, 16),
        int(span_hex, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(flags, 16)),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(remote), Context())


def _present(attributes: Attributes) -> dict[str, str | int]:
    return {name: value for name, value in attributes.items() if value is not None}


@contextmanager
def _carried(traceparent: str | None) -> Iterator[None]:
    token = _CARRIED.set(traceparent)
    try:
        yield
    finally:
        _CARRIED.reset(token)


@contextmanager
def _started(name: str, kind: str, parent: str | None, attributes: Attributes) -> Iterator[None]:
    """Run the block in a span. An exception is recorded by its class alone: texts quote values.

    Args:
        name: of the span.
        kind: name of a member of ``SpanKind``.
        parent: in another process; None: the current span, or without one a new trace.
        attributes: of the span.
    """
    span = _tracer().start_as_current_span(
        name,
        context=_remote(parent),
        kind=trace.SpanKind[kind],
        attributes=_present(attributes),
        record_exception=False,
        set_status_on_exception=False,
    )
    with span as started, _carried(_header_of(started.get_span_context())):
        try:
            yield
        except BaseException as error:
            fail(type(error).__name__)
            raise


def _header_of(context: Any) -> str | None:
    """Return the ``traceparent`` of a span's context."""
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"
