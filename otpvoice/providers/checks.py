"""Port between ``otpvoice doctor`` and the kinds of telephone companies: checks of one account.

Each kind overrides what its provider can show; ``check_table.py`` names its class. The doctor
builds one for each account of the settings, runs the checks, and prints what they yield. No check
but that of a call's exchanges needs a call.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Final, Generic, TypeVar

from otpvoice.core.keys import mask_number
from otpvoice.diagnostics import Finding, advice, failure, ok, warning
from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed
from otpvoice.providers.conformance import CapturedEvidence, CheckResult
from otpvoice.providers.message_body import decode_object
from otpvoice.sections import ProviderSection, line_settings

S = TypeVar("S", bound=ProviderSection)

QUERY_TIMEOUT_S: Final = 7.0
"""For one query of an account."""
_LOW_BALANCE: Final = {"INR": Decimal(400)}
"""Of an account, by currency: some hundred calls."""
_LOW_BALANCE_OTHERWISE: Final = Decimal(5)
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


@dataclass(frozen=True, slots=True)
class OwnedLine:
    """A number from which an account calls, and which it must therefore own."""

    subject: str
    """Of findings about it."""
    setting: str
    number: str = field(repr=False)
    """Digits only."""

    def finding(self, *, is_own: bool | None, detail: str = "") -> Finding:
        """Return the finding.

        Args:
            is_own: whether it is a number of the account; None if it is not known.
            detail: why it is not known.
        """
        shown = mask_number(f"+{self.number}")
        if is_own:
            return ok(self.subject, f"{shown} is a number of the account")
        if is_own is None:
            found = f"whether {shown} is a number of the account is not known ({detail})"
            return advice(self.subject, found, "see the numbers in the provider's console")
        todo = f"correct {self.setting}, or rent or verify the number: calls from it are refused"
        return failure(self.subject, f"{shown} is no number of the account", todo)


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
    lines_of_clients: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """By client that calls from its own: the numbers, digits only, by their settings."""
    is_gated: bool = False
    """A text of the account or of a client asks for a key before it speaks the code."""

    conformance_page: ClassVar[str] = ""
    """The page and section that list the checks of :meth:`check_call`; empty without any."""

    @property
    def api_url(self) -> str:
        """The address of the provider's API; empty if it is not reached over the network."""
        return ""

    @property
    def fetches_code(self) -> bool:
        """Whether the provider fetches documents with the code from this service."""
        return False

    @property
    def caller_line(self) -> str:
        """The numbers from which the account calls, masked."""
        return ", ".join(mask_number(f"+{each}") for each in self.section.lines().bridges)

    def lines(self) -> Iterator[OwnedLine]:
        """Yield the numbers from which the account calls: its own, and those of clients."""
        own = line_settings(self.table, self.section.bridge, self.section.bridges)
        for setting, number in own.items():
            yield OwnedLine(f"{self.table} caller line", setting, number)
        for client, numbers in self.lines_of_clients.items():
            for setting, number in numbers.items():
                yield OwnedLine(f"caller line of {client}", setting, number)

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


def describe(response: HttpResponse | RequestFailed) -> str:
    """Return what a query led to, for a finding."""
    if isinstance(response, RequestFailed):
        return f"no response, {response.reason}"
    return f"HTTP {response.status}"


def balance_finding(
    table: str, amount: object, currency: object, *, is_prepaid: bool | None = None
) -> Finding:
    """Return the finding for the balance of an account.

    Args:
        table: the section's name.
        amount: a decimal number as text; anything else is not known.
        currency: shown with it, if it is a text of letters.
        is_prepaid: whether calls end with the balance; None if it is not known.
    """
    subject = f"{table} balance"
    unit = currency if isinstance(currency, str) and currency.isalpha() else "of credit"
    try:
        left = Decimal(amount if isinstance(amount, str) else "")
    except InvalidOperation:
        left = Decimal("NaN")
    if not left.is_finite():
        return advice(subject, "the response has none", "see it in the provider's console")
    found = f"{left:.2f} {unit} left"
    if is_prepaid is False:
        return ok(subject, f"{left:.2f} {unit}, of an account that is invoiced")
    if left <= 0:
        todo = "top up the account: every call is refused"
        if is_prepaid is None:
            return warning(subject, found, f"{todo}, unless it is invoiced")
        return failure(subject, found, todo)
    if left < _LOW_BALANCE.get(unit, _LOW_BALANCE_OTHERWISE):
        return warning(subject, found, "top up the account")
    return ok(subject, found)
