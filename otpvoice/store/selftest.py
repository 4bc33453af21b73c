"""Try what a user of the store needs: to load the functions, to run them, and to be woken."""

from otpvoice.store.base import BaseStore
from otpvoice.store.connections import Connections


class SelfTest(BaseStore):
    """Runs everything that the service needs of the store. It leaves only the library behind."""

    def load_library(self) -> None:
        """Load the library of functions, also if the server has it already.

        Raises:
            StoreUnavailable: the server refuses; ``reason`` names the command.
        """
        self._execute("load", self._library.load)

    def refused_commands(self) -> dict[str, str]:
        """Run every command that the functions use; return those refused, and the word of each.

        Raises:
            StoreUnavailable: functions cannot run at all.
        """
        _, *words = self._fcall("selftest", [], [])
        refused = [word.decode() for word in words]
        return dict(zip(refused[::2], refused[1::2], strict=True))

    def wait_for_token(self) -> None:
        """Wait for a token for a moment, as a dialer does.

        Raises:
            StoreUnavailable: the server refuses; ``reason`` names the command.
        """

        def wait(connections: Connections) -> None:
            connections.execute("BLPOP", f"{self._keys.prefix}selftest:list", "0.01")

        self._execute("wait", wait)
