"""The doctor's look at the store: whether the server lets the service do all that it needs."""

from otpvoice.store.connections import Connections
from otpvoice.store.functions import BaseStore, to_fields


class SelfTest(BaseStore):
    """Runs everything that the service needs of the store. Only the library remains."""

    def load_library(self) -> None:
        """Load the library of functions, even if the server has it already.

        Raises:
            StoreUnavailable: the server refuses; ``reason`` names the command.
        """
        self._execute("load", lambda to: self._library.load(to.execute))

    def refused_commands(self) -> dict[str, str]:
        """Run every command that the functions use; return the refused ones and their errors.

        Raises:
            StoreUnavailable: functions cannot run at all.
        """
        refused = self._call("selftest")[b"refused"]
        return {command.decode(): code.decode() for command, code in to_fields(refused).items()}

    def wait_for_token(self) -> None:
        """Wait for a token for a moment, as a dialer does.

        Raises:
            StoreUnavailable: the server refuses; ``reason`` names the command.
        """

        def wait(connections: Connections) -> None:
            connections.execute("BLPOP", self._keys.of("selftest", "list"), "0.01")

        self._execute("wait", wait)
