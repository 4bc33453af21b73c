"""The library of the server's functions, made of the files in ``lua/``."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.policy import StorePolicy

_ALLOWED_WHEN_FULL: Final = frozenset({"get", "explain", "health", "overview"})
"""Functions that read. A server at its ``maxmemory`` runs these and refuses all others."""
_MAX_LIBRARIES: Final = 16
"""Libraries of other releases and settings that a server keeps."""


class FunctionLibrary:
    """All functions as one library (``FUNCTION LOAD``). Each function is one round trip.

    The server parses the library once and keeps it, through a restart and on replicas. The name
    of the library contains a digest of its text, so releases and settings coexist.
    """

    def __init__(self, policy: StorePolicy) -> None:
        self._policy = policy.render_lua()
        self.name = f"otpvoice_{_digest(self._policy + _digest_of_code())[:16]}"

    def load(self, execute: Callable[..., Any]) -> None:
        """Load the library, or replace it by the same text.

        ``execute``: :meth:`otpvoice.store.functions.Connections.execute`.

        Raises:
            StoreUnavailable: the server cannot load it.
        """
        _delete_old_libraries(execute)
        head = f"#!lua name={self.name}\nlocal LIBRARY = '{self.name}_'\n"
        text = head + self._policy + _code()
        execute(
            *("FUNCTION", "LOAD", "REPLACE", text),
            is_valid=lambda reply: bool(reply == self.name.encode()),
        )


def _delete_old_libraries(execute: Callable[..., Any]) -> None:
    """Delete the other libraries if there are too many. A process that misses one reloads it.

    A user without permission for this can still load, so an error reply is no failure.
    """
    try:
        listed = execute("FUNCTION", "LIST", "LIBRARYNAME", "otpvoice_*", is_valid=_is_listing)
        for each in listed if len(listed) >= _MAX_LIBRARIES else ():
            execute("FUNCTION", "DELETE", each[1])
    except StoreUnavailable as error:
        if error.is_lost:
            raise


def _is_listing(reply: Any) -> bool:
    """Return whether this can be the reply to ``FUNCTION LIST``: lists of names and values."""
    return isinstance(reply, list) and all(
        isinstance(each, list) and len(each) > 1 for each in reply
    )


@cache
def _code() -> str:
    """Return the text of the files in ``lua/``: the base, the preludes as blocks, the functions."""
    paths = sorted(Path(__file__).with_name("lua").glob("*.lua"))
    sources = {path.stem: path.read_text("utf-8") for path in paths}
    base = sources.pop("_base")
    parts = (
        f"do\n{text}\nend\n" if name[0] == "_" else _registration(name, text)
        for name, text in sources.items()
    )
    return base + "".join(parts)


@cache
def _digest_of_code() -> str:
    return _digest(_code())


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _registration(name: str, text: str) -> str:
    """Return the Lua text that registers the text of a file as a function of the library."""
    flags = "'allow-oom'" if name in _ALLOWED_WHEN_FULL else ""
    return (
        f"do local function run()\n{text}\nend\n"
        f"redis.register_function{{ function_name = LIBRARY .. '{name}', flags = {{ {flags} }},\n"
        "callback = function(keys, arguments)\n"
        "init(keys, arguments)\nreturn reply_of(run())\nend } end\n"
    )
