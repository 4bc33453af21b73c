"""A service that calls through two telephone companies: Mobtexting at home, and others abroad.

Each company is a sandbox of its own. The one abroad answers as Twilio, SignalWire and Plivo.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.companies import NOBODY, TOKEN, plivo, twiml
from support.processes import free_port
from support.service import RunningService, SandboxPhones
from support.stack import Stack, running_service

from otpvoice.store import Keys
from otpvoice.store.discovery import connect
from otpvoice_sandbox import RunningSandbox, SandboxConfig


@dataclass(frozen=True)
class TwoCompanies:
    """The service and both companies."""

    stack: Stack
    abroad: RunningSandbox

    @property
    def service(self) -> RunningService:
        """The service."""
        return self.stack.service

    def phones_of(self, route: str) -> SandboxPhones:
        """Return the phones as the company of a route reaches them."""
        return self.service.phones if route in {"obd", "c2c"} else SandboxPhones(self.abroad.url)

    def requests_for(self, number: str) -> list[dict[str, Any]]:
        """Return the requests for calls to a number that either company received."""
        ledgers = (self.phones_of(route).ledger() for route in ("obd", "twilio"))
        entries = (entry for ledger in ledgers for entry in ledger)
        digits = number.removeprefix("+")
        return [each for each in entries if str(each["person"]).removeprefix("+") == digits]

    def call_statuses(self, begun: dict[str, Any]) -> list[tuple[str, str]]:
        """Return route and status of each call of a verification."""
        calls = self.service.get_verification(begun)["calls"]
        return [(call["route"], call["status"]) for call in calls]

    def set_line_rates(self, rates: Mapping[str, str]) -> None:
        """Set how often people answered caller lines: calls answered, and calls that rang."""
        with closing(connect(self.stack.variables["OTPVOICE_REDIS_URL"])) as redis:
            for line, rate in rates.items():
                redis.set(Keys().of("line", line), rate, ex=600)

    def open_routes(self) -> None:
        """Forget which routes refused calls."""
        with closing(connect(self.stack.variables["OTPVOICE_REDIS_URL"])) as redis:
            redis.delete(*(Keys().of("route", name) for name in ("obd", "twilio", "plivo", "dead")))


@contextmanager
def two_companies(
    environ: Mapping[str, str], folder: Path, **changes: str
) -> Iterator[TwoCompanies]:
    """Run the service on an emptied store during the block. ``changes``: further variables."""
    config = SandboxConfig(token=TOKEN, ring_seconds=0.05, talk_seconds=0.05)
    bind = f"127.0.0.1:{free_port()}"
    with RunningSandbox(config) as abroad:
        variables = {
            "OTPVOICE_SERVER_BIND": bind,
            "OTPVOICE_SERVER_PUBLIC_URL": f"http://{bind}",
            "OTPVOICE_DIALER_ROUTES": "obd,twilio,plivo,dead",
            "OTPVOICE_LIMITS_REGIONS": "IN,US",
            **twiml("twilio", abroad.url),
            **twiml("signalwire", abroad.url, "signalwire"),
            **twiml("telnyx", abroad.url, "telnyx"),
            **twiml("dead", NOBODY),
            **plivo(abroad.url),
            **changes,
        }
        with running_service(environ, folder, **variables) as stack:
            yield TwoCompanies(stack, abroad)
