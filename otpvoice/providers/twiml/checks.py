"""The checks of an account with a vendor of the TwiML family."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otpvoice.diagnostics import Finding
from otpvoice.http_client import HttpClient
from otpvoice.providers.checks import AccountChecks, credentials_finding, fetch
from otpvoice.providers.twiml.settings import TwimlSettings, account_of

REMEDIES: Final = {
    401: ("token", "is refused", "correct {0}.token, {0}.account or {0}.user"),
    403: ("token", "is refused", "correct {0}.token, or have the account activated"),
    404: ("account", "is unknown", "correct {0}.account or {0}.base_url"),
}
"""Setting, observation and remedy, by the HTTP status of the response to a query of calls."""


@dataclass(frozen=True, kw_only=True)
class TwimlChecks(AccountChecks[TwimlSettings]):
    """The checks of one account."""

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return account_of(self.section, webhook_url="").calls_url()

    def account_findings(self, http: HttpClient) -> Iterator[Finding]:
        """Yield whether the vendor accepts the credentials."""
        account = account_of(self.section, webhook_url="")
        # The list of calls needs every credential that calls need, and changes nothing.
        response = fetch(http, account.calls_url(PageSize="1"), account.headers())
        yield credentials_finding(self.table, response, "calls", REMEDIES)
