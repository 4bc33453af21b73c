"""Port between ``otpvoice doctor`` and the kinds of telephone companies: checks of one account.

Each kind overrides what its provider can show; ``check_table.py`` names its class. The doctor
builds one for each account of the settings, runs the checks, and prints what they yield. No check
but that of a call's exchanges needs a call.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, TypeVar

from otpvoice.core.keys import mask_number
from otpvoice.diagnostics import Finding, failure, ok
from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed
from otpvoice.providers.conformance import CapturedEvidence, CheckResult
from otpvoice.providers.message_body import decode_object
from otpvoice.sections import ProviderSection

S = TypeVar("S", bound=ProviderSection)

QUERY_TIMEOUT_S: Final = 7.0
"""For one query of an account."""
LIVE_REMEDY: Final = "cannot be verified without a call: otpvoice doctor --live +91…"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookCredential:
    """A secret that authenticates a callback by itself, to be tried with an empty message."""

    setting: str
    """Its name below the account's table."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    path: str = field(default="", repr=False)
    """Behind the address of the webhook, with its slash."""
    forwarded: str
    """What a proxy must forward."""


@dataclass(frozen=True, kw_only=True)
class AccountChecks(Generic[S]):
    """The checks of one account. A kind overrides what it can check."""

    name: str
    """The provider's, in the settings."""
    table: str
    """The section's: ``provider`` or ``providers.<name>``."""
    section: S
    modes: tuple[str, ...] = ("",)
    """Those of its routes."""
    public_url: str
    """The address of this service, without a slash at its end."""
    region: str | None = None
    """Of numbers without a calling code (ISO 3166); None if several are possible."""

    conformance_page: ClassVar[str] = ""
    """The page and section that list the checks of :meth:`check_call`; empty without any."""

    @property
    def api_url(self) -> str:
        """The address of the provider's API; empty if it is not reached over the network."""
        return ""

    @property
    def caller_line(self) -> str:
        """The number from which the account calls, masked."""
        return mask_number(f"+{self.section.bridge}")

    def secret_findings(self) -> Iterator[Finding]:
        """Yield whether callbacks can be authenticated; sends nothing."""
        yield from ()

    def speech_findings(self) -> Iterator[Finding]:
        """Yield what keeps a call from speaking the code once; sends nothing."""
        yield from ()

    def account_findings(self, http: HttpClient) -> Iterator[Finding]:
        """Query the account, and yield its state. The API was reached before."""
        del http
        yield from ()

    def unverified_findings(self) -> Iterator[Finding]:
        """Yield what only a call can verify; sends nothing."""
        yield from ()

    def webhook_credentials(self) -> Iterator[WebhookCredential]:
        """Yield the secrets of the webhook; none if the provider signs its callbacks."""
        yield from ()

    def parse_reply_id(self, body: bytes) -> str | None:
        """Return the provider's id of the call in the reply to a request for it."""
        del body
        return None

    def check_call(self, evidence: CapturedEvidence) -> Iterator[CheckResult]:
        """Yield what one call shows about the provider's documentation."""
        del evidence
        yield from ()


Checks = AccountChecks[Any]


def fetch(http: HttpClient, url: str, headers: Mapping[str, str]) -> HttpResponse | RequestFailed:
    """Return the response to one query of an account."""
    return http.get(url, headers, Deadlines.within(QUERY_TIMEOUT_S))


def credentials_finding(
    table: str,
    response: HttpResponse | RequestFailed,
    member: str,
    remedies: Mapping[int, tuple[str, str, str]],
) -> Finding:
    """Return the finding for the response to a query of calls, which needs what calls need.

    Args:
        table: the section's name.
        response: to the query.
        member: has the list of calls.
        remedies: setting, observation and remedy, by HTTP status; 401 names the credential.
    """
    if isinstance(response, RequestFailed):
        todo = f"correct {table}.base_url: this is not the provider's API, or it is down"
        return failure(f"{table} address", f"sends no response ({response.reason})", todo)
    if response.status == 200 and isinstance(decode_object(response.body).get(member), list):
        found = "is accepted, and calls without a callback can be queried"
        return ok(f"{table}.{remedies[401][0]}", found)
    default = ("base_url", "sends an unexpected response", "correct {0}.base_url")
    setting, found, todo = remedies.get(response.status, default)
    return failure(f"{table}.{setting}", f"{found} (HTTP {response.status})", todo.format(table))
