"""The checks of an account with Plivo."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otpvoice.diagnostics import Finding
from otpvoice.http_client import HttpClient
from otpvoice.providers.checks import AccountChecks, credentials_finding, fetch
from otpvoice.providers.plivo.account import Account
from otpvoice.providers.plivo.settings import PlivoSettings

REMEDIES: Final = {
    401: ("auth_token", "is refused", "correct {0}.auth_id or {0}.auth_token"),
    403: ("auth_token", "is refused", "have the account activated"),
    404: ("auth_id", "is unknown", "correct {0}.auth_id or {0}.base_url"),
}
"""Setting, observation and remedy, by the HTTP status of the response to a query of calls."""


@dataclass(frozen=True, kw_only=True)
class PlivoChecks(AccountChecks[PlivoSettings]):
    """The checks of one account."""

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return self.section.base_url

    def account_findings(self, http: HttpClient) -> Iterator[Finding]:
        """Yield whether Plivo accepts the credentials."""
        account = self._account
        # The newest call needs the credentials that calls need, and changes nothing.
        response = fetch(http, account.url("Call/?limit=1"), account.headers())
        yield credentials_finding(self.table, response, "objects", REMEDIES)

    @property
    def _account(self) -> Account:
        section = self.section
        return Account(
            auth_id=section.auth_id, auth_token=section.auth_token[0], base_url=section.base_url
        )
