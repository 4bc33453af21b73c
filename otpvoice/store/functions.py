"""Loading and running the rules: one ``.lua`` file each, and what they share before them."""

import hashlib
from importlib.resources import files
from typing import Any, Final

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.connections import Argument, Connections
from otpvoice.store.policy import StorePolicy
from otpvoice.store.replies import UNKNOWN_EFFECT, FunctionError, FunctionMissing

_LUA: Final = files("otpvoice.store") / "lua"
_NAMES: Final = tuple(
    file.name.removesuffix(".lua") for file in _LUA.iterdir() if file.name.endswith(".lua")
)
_PRELUDES: Final = tuple(
    sorted(name for name in _NAMES if name.startswith("_") and name != "_base")
)
_FUNCTIONS: Final = tuple(sorted(name for name in _NAMES if not name.startswith("_")))
_ALLOWED_WHEN_FULL: Final = frozenset({"get", "explain", "health", "overview"})
"""Rules that read: a server that is at its ``maxmemory`` runs these, and refuses all others."""
_MAX_LIBRARIES: Final = 16
"""As many may stand in a server: those of releases and settings that were before ours."""
_MAX_ATTEMPTS: Final = 3


class FunctionLibrary:
    """All rules as one library of functions (``FUNCTION LOAD``), each one round trip.

    The server reads the library once and keeps it, through a restart and on replicas; a script of
    ``EVAL`` would make all that the rules share anew at each run. Its name says what it holds, so
    that releases and settings stand side by side.

    Args:
        rules: what the rules are told of the settings.
    """

    def __init__(self, policy: StorePolicy) -> None:
        preludes = "".join(_prelude(name) for name in _PRELUDES)
        shared = policy.render_lua() + _source("_base") + preludes
        text = shared + "".join(_function(name, name) for name in _FUNCTIONS)
        digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self._name = f"otpvoice_{digest[:16]}"
        functions = (_function(f"{self._name}_{name}", name) for name in _FUNCTIONS)
        self._text = f"#!lua name={self._name}\n{shared}{''.join(functions)}"

    def run(
        self, connections: Connections, name: str, keys: list[str], arguments: list[Argument]
    ) -> tuple[Any, list[bytes]]:
        """Return what ``lua/<rule>.lua`` returns, and the list of what is to be counted.

        A server that does not know the function has run nothing, so the library is loaded first.
        No other failure is repeated, because the function may have run.

        Raises:
            StoreUnavailable: no reply in time, or a server that cannot serve.
            FunctionError: the function failed.
        """
        function = f"{self._name}_{name}"
        for _ in range(_MAX_ATTEMPTS):
            try:
                result, counted = connections.execute(
                    "FCALL", function, len(keys), *keys, *arguments, is_valid=_is_reply
                )
            except FunctionMissing:
                self.load(connections)
            except FunctionError as error:
                error.function = name
                raise
            else:
                return result, counted
        raise StoreUnavailable(UNKNOWN_EFFECT, reason="library is forgotten", reply="ERR")

    def load(self, connections: Connections) -> None:
        """Load the library, in place of the same one if the server has it.

        Raises:
            StoreUnavailable: the server cannot load it.
        """
        self._delete_old_libraries(connections)
        connections.execute("FUNCTION", "LOAD", "REPLACE", self._text, is_valid=self._is_loaded)

    def _is_loaded(self, reply: Any) -> bool:
        return bool(reply == self._name.encode())

    def _delete_old_libraries(self, connections: Connections) -> None:
        """Delete the other libraries if there are too many. A process that misses one reloads it.

        A user without permission for this can still load, so an error reply is no failure.
        """
        try:
            listed = connections.execute(
                "FUNCTION", "LIST", "LIBRARYNAME", "otpvoice_*", is_valid=_is_listing
            )
            for each in listed if len(listed) >= _MAX_LIBRARIES else ():
                connections.execute("FUNCTION", "DELETE", each[1])
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


def _source(name: str) -> str:
    return (_LUA / f"{name}.lua").read_text("utf-8")


def _prelude(name: str) -> str:
    """Return a prelude as a block, so that it adds no local names to the others."""
    return f"do\n{_source(name)}\nend\n"


def _function(name: str, file: str) -> str:
    """A rule as a function. Beside what it returns stands what is to be counted (``_base.lua``)."""
    flags = "'allow-oom'" if file in _ALLOWED_WHEN_FULL else ""
    return (
        f"do local function run()\n{_source(file)}\nend\n"
        f"redis.register_function{{ function_name = '{name}', flags = {{ {flags} }},\n"
        "callback = function(keys, arguments)\n"
        "init(keys, arguments)\nreturn { run(), metrics }\nend } end\n"
    )
