"""Loading and running the rules: one ``.lua`` file each, and what they share before them."""

import hashlib
from importlib.resources import files
from typing import Any, Final

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.connections import Argument, Connections
from otpvoice.store.replies import UNKNOWN_EFFECT, FunctionError, FunctionMissing
from otpvoice.store.script_config import QueueRules

_LUA: Final = files("otpvoice.store") / "lua"
_PARTS: Final = (
    "server", "base", "records", "tallies", "numbers", "figures", "breakers", "limits", "calls",
    "verifications", "events", "reports", "again",
)  # fmt: skip
_RULES: Final = tuple(
    sorted(
        name.removesuffix(".lua")
        for name in (file.name for file in _LUA.iterdir())
        if name.endswith(".lua") and not name.startswith("_")
    )
)
_SERVED_WHEN_FULL: Final = frozenset({"get", "explain", "health", "overview"})
"""Rules that read: a server that is at its ``maxmemory`` runs these, and refuses all others."""
_LIBRARIES: Final = 16
"""As many may stand in a server: those of releases and settings that were before ours."""
_TRIES: Final = 3


class Library:
    """All rules as one library of functions (``FUNCTION LOAD``), each one round trip.

    The server reads the library once and keeps it, through a restart and on replicas; a script of
    ``EVAL`` would make all that the rules share anew at each run. Its name says what it holds, so
    that releases and settings stand side by side.

    Args:
        rules: what the rules are told of the settings.
    """

    def __init__(self, rules: QueueRules) -> None:
        shared = rules.lua() + "".join(_read(f"_{part}") for part in _PARTS)
        held = shared + "".join(_function(rule, rule) for rule in _RULES)
        digest = hashlib.sha1(held.encode(), usedforsecurity=False).hexdigest()
        self._name = f"otpvoice_{digest[:16]}"
        functions = (_function(f"{self._name}_{rule}", rule) for rule in _RULES)
        self._text = f"#!lua name={self._name}\n{shared}{''.join(functions)}"

    def run(
        self, store: Connections, rule: str, keys: list[str], arguments: list[Argument]
    ) -> tuple[Any, list[bytes]]:
        """Return what ``lua/<rule>.lua`` returns, and the list of what is to be counted.

        A server that does not know the function has run nothing, so the library is loaded first.
        No other failure is repeated, because the function may have run.

        Raises:
            StoreUnavailable: no reply in time, or a server that cannot serve.
            FunctionError: the function failed.
        """
        function = f"{self._name}_{rule}"
        for _ in range(_TRIES):
            try:
                result, counted = store.ask(
                    "FCALL", function, len(keys), *keys, *arguments, accept=_is_reply
                )
            except FunctionMissing:
                self.load(store)
            except FunctionError as error:
                error.function = rule
                raise
            else:
                return result, counted
        raise StoreUnavailable(UNKNOWN_EFFECT, reason="library is forgotten", reply="ERR")

    def load(self, store: Connections) -> None:
        """Load the library, in place of the same one if the server has it.

        Raises:
            StoreUnavailable: the server cannot load it.
        """
        self._make_room(store)
        store.ask("FUNCTION", "LOAD", "REPLACE", self._text, accept=self._is_loaded)

    def _is_loaded(self, reply: Any) -> bool:
        return bool(reply == self._name.encode())

    def _make_room(self, store: Connections) -> None:
        """Delete the other libraries if there are too many. A process that misses one reloads it.

        A user without permission for this can still load, so an error reply is no failure.
        """
        try:
            listed = store.ask("FUNCTION", "LIST", "LIBRARYNAME", "otpvoice_*", accept=_is_listing)
            for each in listed if len(listed) >= _LIBRARIES else ():
                store.ask("FUNCTION", "DELETE", each[1])
        except StoreUnavailable as error:
            if error.is_lost:
                raise


def _is_listing(reply: Any) -> bool:
    """Return whether this can be the reply to ``FUNCTION LIST``: pairs of names and values."""
    return isinstance(reply, list) and all(
        isinstance(each, list) and len(each) > 1 for each in reply
    )


def _is_reply(reply: Any) -> bool:
    """Return whether a function of the library can have returned this: its result and its counts.

    Anything else comes from something that is no store.
    """
    match reply:
        case [list(), list()]:
            return True
    return False


def _read(name: str) -> str:
    return (_LUA / f"{name}.lua").read_text("utf-8")


def _function(name: str, rule: str) -> str:
    """A rule as a function. Beside what it returns stands what is to be counted (``_base.lua``)."""
    flags = "'allow-oom'" if rule in _SERVED_WHEN_FULL else ""
    return (
        f"do local function rule()\n{_read(rule)}\nend\n"
        f"redis.register_function{{ function_name = '{name}', flags = {{ {flags} }},\n"
        "callback = function(keys, arguments)\n"
        "begin(keys, arguments)\nreturn { rule(), counted }\nend } end\n"
    )
