"""The demo's stack for tests that only use it: its processes have imported the service already."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from support.preloaded import PreloadedProgram
from support.processes import environment

from otpvoice_demo.stack import Stack


class PreloadedStack(Stack):
    """A stack whose commands ``python -m MODULE`` are programs in preloaded processes.

    The tests of ``otpvoice demo`` and of the stack itself start them as users do.
    """

    def start_process(self, name: str, command: Sequence[str], **environ: str) -> None:
        """Start a process that ends with the stack."""
        python, option, module, *arguments = command
        assert (python, option) == (sys.executable, "-m"), command
        spec = find_spec(f"{module}.__main__")
        assert spec
        assert spec.origin
        log = self.log_path(name)
        started = PreloadedProgram(Path(spec.origin), tuple(arguments), log, environment(environ))
        self.processes[name] = started  # type: ignore[assignment] # it has the methods in use
