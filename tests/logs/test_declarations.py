"""Checks every log call and every notice of the store's functions against the declarations.

A call that cannot be analysed is an error, too: write the event's name as a literal.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from logs.reference import DOCUMENT, rendered_document

from otpvoice.logs.events import COMMON_FIELDS, EVENTS, EXCEPTION_FIELDS

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "otpvoice"
LEVELS: Final = {"debug", "info", "warning", "error", "critical", "exception"}
LOGGERS: Final = {"_LOG", "log", "_log", "logger"}
SETTERS: Final = {"emit", "request.record"}
"""Functions that take an event and pass it to the log."""
DYNAMIC: Final = {
    "api/application.py",  # the event of request.record(), found where a view calls it
    "dialer/maintenance.py",  # notices of the store's functions, checked below
    "logs/exceptions.py",  # the event of an ErrorBoundary, a literal where one is created
    "logs/__init__.py",  # text of libraries, which is redacted
    "cli/gunicorn_log.py",  # a table, checked below
}
"""Modules that may have a call whose event is not a literal."""
ANY_LINE: Final = {*COMMON_FIELDS, *EXCEPTION_FIELDS}


@dataclass(frozen=True)
class LogCall:
    """One call that logs, or that sets the event to log."""

    location: str
    events: frozenset[str]
    fields: frozenset[str]


def _is_logger(node: ast.expr) -> bool:
    """Match ``_LOG``, ``log``, ``_log(claim)``, or one of them after ``.bind(…)``."""
    if isinstance(node, ast.Name):
        return node.id in LOGGERS
    if isinstance(node, ast.Call):
        inner = node.func
        if isinstance(inner, ast.Attribute):
            return inner.attr in {"bind", "new"} and _is_logger(inner.value)
        return _is_logger(inner)
    return False


def _names(node: ast.expr, scope: ast.AST) -> set[str]:
    """Return every value that an expression may have; empty if they cannot be determined."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return _names(node.body, scope) | _names(node.orelse, scope)
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        start = str(node.values[0].value)
        return {name for name in EVENTS if name.startswith(start)}
    if isinstance(node, ast.Name):
        found: set[str] = set()
        for each in ast.walk(scope):
            if isinstance(each, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == node.id for target in each.targets
            ):
                found |= _names(each.value, scope)
        return found
    return set()


def _keywords(call: ast.Call) -> set[str]:
    return {keyword.arg for keyword in call.keywords if keyword.arg}


def _log_calls(module: str, source: str) -> Iterator[LogCall]:
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    bound = set().union(*(_keywords(call) for call in calls if _is_bind(call)))
    scopes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for call in calls:
        position = _event_position(module, call)
        if position is None or len(call.args) <= position:
            continue
        scope = next((s for s in reversed(scopes) if call in {*ast.walk(s)}), tree)
        events = _names(call.args[position], scope)
        fields = _keywords(call) | (set() if _is_unbound(call) else bound)
        if ast.unparse(call.func) == "request.record":
            fields -= {"outcome", "limit"}  # these are for metrics
        yield LogCall(f"{module}:{call.lineno}", frozenset(events), frozenset(fields))


def _is_bind(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "bind"


def _is_unbound(call: ast.Call) -> bool:
    """Report whether it logs with a logger that has no bound fields."""
    return ast.unparse(call.func).startswith(("_LOG.", "ErrorBoundary"))


def _event_position(module: str, call: ast.Call) -> int | None:
    """Return the position of the event among the arguments, or None if the call does not log."""
    if ast.unparse(call.func) == "ErrorBoundary":
        return 0
    if isinstance(call.func, ast.Attribute) and _is_logger(call.func.value):
        return 0 if call.func.attr in LEVELS else 1 if call.func.attr == "log" else None
    is_setter = ast.unparse(call.func) in SETTERS
    return 0 if is_setter and re.match(r"(api|api/hooks|dialer)/\w+\.py", module) else None


def log_calls() -> list[LogCall]:
    """Return all log calls of the package."""
    modules = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}
    return [
        call
        for module, path in modules.items()
        for call in _log_calls(module, path.read_text("utf-8"))
    ]


def undeclared(call: LogCall) -> list[str]:
    """Return what the call uses without a declaration."""
    if not call.events and call.location.partition(":")[0] not in DYNAMIC:
        return [f"{call.location}: the event is not a literal"]
    errors = []
    for event in sorted(call.events):
        if event not in EVENTS:
            errors.append(f"{call.location}: the event {event} is not declared")
        elif undeclared := call.fields - {*EVENTS[event].field_names} - ANY_LINE:
            errors.append(f"{call.location}: {event} has no field {', '.join(sorted(undeclared))}")
    return errors


def test_event_of_every_log_call_is_declared_with_its_fields() -> None:
    calls = log_calls()
    assert len(calls) > 30
    assert [error for call in calls for error in undeclared(call)] == []


def test_every_declared_event_is_logged_somewhere() -> None:
    """The table and the documentation contain no event that was removed."""
    logged = {event for call in log_calls() for event in call.events}
    logged |= {event for event, _ in audit_notices()} | gunicorn_events()
    logged |= {
        "http",
        "log.lines_dropped",
    }  # the default event of a request; the line writer's report
    assert {*EVENTS} - logged == set()


_BINDERS: Final = frozenset({"bind_fields", "start_request"})
"""They add their fields to every further line of the request."""


def test_fields_bound_to_a_request_are_common() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in _BINDERS:
                assert _keywords(node) <= {*COMMON_FIELDS}, path


_NOTICE: Final = re.compile(r"append_audit\('([a-z_.]+)', (?:\{([^}]*)\}|(\w+))\)")


def audit_notices() -> Iterator[tuple[str, set[str]]]:
    """Yield event and fields of every notice in the store's functions."""
    for path in sorted((PACKAGE / "store/lua").glob("*.lua")):
        for event, members, _variable in _NOTICE.findall(path.read_text("utf-8")):
            yield event, set(re.findall(r"(\w+) =", members))


def test_notice_of_every_function_is_declared_with_its_fields() -> None:
    found = list(audit_notices())
    assert len(found) >= 6
    for event, fields in found:
        assert event in EVENTS
        assert fields <= {*EVENTS[event].field_names, *COMMON_FIELDS}, event
    calls = sum(
        len(re.findall(r"\bappend_audit\('", path.read_text("utf-8")))
        for path in (PACKAGE / "store/lua").glob("*.lua")
    )
    assert len(found) == calls


def gunicorn_events() -> set[str]:
    """Return the events of the table in cli/gunicorn_log.py."""
    text = (PACKAGE / "cli/gunicorn_log.py").read_text("utf-8")
    return set(re.findall(r'"((?:server|worker)\.\w+)"', text))


def test_events_of_gunicorns_messages_are_declared() -> None:
    assert gunicorn_events() <= {*EVENTS}
    assert "server.listening" in gunicorn_events()


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ('_LOG.info("no.such_event")', "the event no.such_event is not declared"),
        ('_LOG.info("http", detail="x")', "http has no field detail"),
        ('log = _LOG.bind(code="x")\nlog.info("call.sent")', "call.sent has no field code"),
        (
            '_log(1).warning("call.failed_unexpectedly", price=1)',
            "call.failed_unexpectedly has no field price",
        ),
        ("_LOG.log(20, name)", "the event is not a literal"),
        ('_LOG.info("a.a" if x else "http")', "the event a.a is not declared"),
        ('request.record("http", code="x")', "http has no field code"),
    ],
)
def test_undeclared_event_or_field_is_reported(source: str, error: str) -> None:
    (call,) = _log_calls("api/module.py", source)
    assert undeclared(call) == [f"{call.location}: {error}"]


def test_logs_document_matches_the_declarations() -> None:
    """Run ``python tests/logs/reference.py`` to update docs/logs.md."""
    assert DOCUMENT.read_text("utf-8") == rendered_document()
