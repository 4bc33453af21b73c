"""What a reply of the store means. No other module looks at redis-py's exceptions.

A command ends in one of four ways:

- It is served: it returns a reply.
- :class:`FunctionError`: one of the library's functions failed half way. The cause is a defect or
  a bad record, and the store serves everything else.
- :class:`FunctionMissing`: the server does not know the function and has run nothing.
- ``StoreUnavailable``: everything else. An error reply that does not provably come from inside a
  function means that the store cannot serve, whichever server or proxy sent it.

The texts of replies may quote what was sent, so only the first word of a reply is passed on.
"""

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from otpvoice.core.errors import StoreUnavailable

TIMEOUT: Final = "timeout"
MALFORMED: Final = "malformed reply"
NO_PERMISSION: Final = "no permission"
MISSING_FEATURE: Final = "missing feature"
UNTRUSTED: Final = "certificate not trusted"
WRONG_PASSWORD: Final = "wrong password"  # noqa: S105 - a reason, not a password

UNKNOWN_EFFECT: Final = (
    "The store cannot serve the request at the moment. Whether the request took effect is not "
    "known: repeat it."
)

NOT_SENT: Final = "The store cannot serve the request at the moment. Nothing was done: repeat it."
REDIRECTS: Final = (MovedError, ClusterDownError)
"""Replies of a node that is not, or no longer, the primary of the keys. It has run nothing."""
_NO_LONGER_PRIMARY: Final = (*REDIRECTS, ReadOnlyError)
"""Replies after which the address may lead to another server: the connection is not kept."""
_RAISED_INSIDE: Final = re.compile(r"script: (?:\w+, )?on @user_function:(?P<line>\d+)\.$")
"""How Redis 7 and Valkey end an error that was raised inside a function."""
_COMMAND: Final = re.compile(r"^.{0,60}?(?:run the|command) '([A-Za-z|_-]{1,40})'")
"""The command that a refusal names, first of all."""
_FIRST_WORD: Final = re.compile(r"[A-Za-z]{1,24}")

_UNAVAILABLE: Final = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        # The last two are what a function gets for a command or key that its user may not use.
        (r"NOPERM|ERR ACL failure in script|ERR The user executing the script", NO_PERMISSION),
        (r"ERR unknown (sub)?command|ERR Unknown (Redis )?command called", MISSING_FEATURE),
        (r"ERR This (Redis|Valkey) command is not allowed", MISSING_FEATURE),
        (r"ERR Engine .* not found|ERR Error compiling function", MISSING_FEATURE),
        ("OOM", "out of memory"),
        ("READONLY", "read-only replica"),
        ("MISCONF", "cannot write to its disk"),
        ("NOREPLICAS", "too few replicas"),
        ("MASTERDOWN", "replica without its primary"),
        ("CLUSTERDOWN", "cluster is down"),
        ("MOVED|ASK|TRYAGAIN|CROSSSLOT", "keys are on another node"),
        ("BUSY|UNKILLABLE", "busy with a script"),
        ("UNBLOCKED|ERR Script killed by user", "command was stopped by an operator"),
        ("LOADING", "loading its data"),
        ("ERR DB index is out of range|ERR SELECT is not allowed", "no such database"),
    )
)
"""Beginnings of error replies that mean the same wherever they come from, functions included."""


class FunctionError(Exception):
    """A function of the library failed. It may have run half way; nothing is repeated.

    Args:
        code: first word of the reply, such as ``WRONGTYPE``.
        line: line of the library's text.
        function: the function's name.
    """

    def __init__(self, code: str, line: int, function: str = "") -> None:
        super().__init__(code, line, function)
        self.code = code
        self.line = line
        self.function = function

    def __str__(self) -> str:
        return f"{self.code} in the store's function {self.function or '?'}, line {self.line}"

    @property
    def log_fields(self) -> dict[str, object]:
        """The fields that describe it in a log line."""
        return {"function": self.function, "reply": self.code, "line": self.line}


class FunctionMissing(Exception):
    """The server does not have the function, or no longer, and has run nothing."""


def translate_error(error: Exception) -> Exception:
    """Return the exception of this project for whatever a command of redis-py raised."""
    if isinstance(error, StoreUnavailable | FunctionError | FunctionMissing):
        return error
    if isinstance(error, ResponseError):
        return _from_reply(error)
    reply = str(getattr(error, "status_code", None) or "")
    return StoreUnavailable(UNKNOWN_EFFECT, reason=_reason_of(error), reply=reply, is_lost=True)


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate what commands inside the block raise. The block holds nothing but commands.

    Raises:
        StoreUnavailable: the store cannot serve.
        FunctionError: a fault inside a function.
        FunctionMissing: the server does not know a function.
    """
    try:
        yield
    except Exception as error:
        raise translate_error(error) from error


def is_connection_usable(error: BaseException) -> bool:
    """Return whether the connection can be used again: the reply was read to its end."""
    return isinstance(error, ResponseError) and not isinstance(error, _NO_LONGER_PRIMARY)


def is_wrong_type(error: Exception) -> bool:
    """Whether a key is of another type than the command that read it."""
    return isinstance(error, ResponseError) and str(error).startswith("WRONGTYPE")


def malformed_reply() -> StoreUnavailable:
    """Return the error for a reply that no function of the library returns."""
    return StoreUnavailable(UNKNOWN_EFFECT, reason=MALFORMED, is_lost=True)


def _from_reply(error: ResponseError) -> Exception:
    text = str(error)
    if text == "Function not found":
        return FunctionMissing(text)
    # redis-py takes the first word off for the replies that it knows.
    whole = f"{error.status_code} {text}" if error.status_code else text
    found = _FIRST_WORD.match(whole)
    word = found[0] if found else "ERR"
    inside = _RAISED_INSIDE.search(text)
    for pattern, reason in _UNAVAILABLE:
        if pattern.match(whole):
            return StoreUnavailable(
                UNKNOWN_EFFECT,
                reason=f"{reason}{_refused_command(reason, text)}",
                reply=word,
                is_partial=bool(inside) or word == "OOM",
            )
    if inside:
        return FunctionError(word, int(inside["line"]))
    return StoreUnavailable(UNKNOWN_EFFECT, reason="error reply", reply=word)


def _refused_command(reason: str, text: str) -> str:
    if reason not in {NO_PERMISSION, MISSING_FEATURE}:
        return ""
    named = _COMMAND.search(text)
    return f" for {named[1].lower()}" if named else ""


def _reason_of(error: Exception) -> str:
    if isinstance(error, AuthenticationError):
        return "password required" if error.status_code == "NOAUTH" else WRONG_PASSWORD
    if isinstance(error, BusyLoadingError):
        return "loading its data"
    if isinstance(error, RedisTimeoutError):
        return TIMEOUT
    if "max number of clients" in str(error):
        return "too many connections"
    cause = _system_error(error)
    for kind, reason in _SYSTEM_ERRORS:
        if isinstance(cause, kind):
            return reason
    return "connection lost" if isinstance(error, RedisConnectionError | OSError) else MALFORMED


_SYSTEM_ERRORS: Final[tuple[tuple[type[OSError], str], ...]] = (
    (ConnectionRefusedError, "refused"),
    (socket.gaierror, "host not found"),
    (ssl.SSLCertVerificationError, UNTRUSTED),
    (ssl.SSLError, "TLS failed"),
    (TimeoutError, TIMEOUT),
    (FileNotFoundError, "no such socket"),
    (PermissionError, "no permission for the socket"),
)


def _system_error(error: BaseException) -> OSError | None:
    """Return the error of the operating system that redis-py put into its own."""
    at: BaseException | None = error
    while at is not None and not isinstance(at, OSError):
        at = at.__cause__ or at.__context__
    return at
