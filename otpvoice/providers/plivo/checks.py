"""The checks of an account with Plivo (docs/providers/plivo.md, section 7)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from otpvoice.diagnostics import Finding, Level, advice
from otpvoice.http_client import HttpClient, HttpResponse, RequestFailed
from otpvoice.providers.checks import (
    LIVE_REMEDY,
    AccountChecks,
    OwnedLine,
    balance_finding,
    credentials_finding,
    describe,
    fetch,
)
from otpvoice.providers.conformance import CapturedEvidence, CheckResult
from otpvoice.providers.message_body import decode_object, members_of
from otpvoice.providers.plivo.account import Account
from otpvoice.providers.plivo.conformance import PlivoEvidence, check_conformance
from otpvoice.providers.plivo.reply import parse_request_id
from otpvoice.providers.plivo.settings import PlivoSettings

REMEDIES: Final = {
    401: ("auth_token", "is refused", "correct {0}.auth_id or {0}.auth_token"),
    403: ("auth_token", "is refused", "have the account activated"),
    404: ("auth_id", "is unknown", "correct {0}.auth_id or {0}.base_url"),
}
"""Setting, observation and remedy, by the HTTP status of the response to a query of calls."""
_IS_PREPAID: Final = {"prepaid": True, "postpaid": False}
"""By ``billing_mode``."""


@dataclass(frozen=True, kw_only=True)
class PlivoChecks(AccountChecks[PlivoSettings]):
    """The checks of one account."""

    conformance_page = "docs/providers/plivo.md, section 8"

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return self.section.base_url

    @property
    def fetches_code(self) -> bool:
        """True: Plivo fetches every document."""
        return True

    def account_findings(self, http: HttpClient) -> Iterator[Finding]:
        """Yield whether Plivo accepts the credentials, the balance, and the caller line."""
        get = partial(fetch, http, headers=self._account.headers())
        # The newest call needs the credentials that calls need, and changes nothing.
        response = get(self._account.url("Call/?limit=1"))
        accepted = credentials_finding(self.table, response, "objects", REMEDIES)
        yield accepted
        if accepted.level is Level.OK:
            members = members_of(get(self._account.url()))
            is_prepaid = _IS_PREPAID.get(str(members.get("billing_mode")))
            yield balance_finding(
                self.table, members.get("cash_credits"), None, is_prepaid=is_prepaid
            )
            for line in self.lines():
                yield self._line_finding(line, get)

    def unverified_findings(self) -> Iterator[Finding]:
        """Yield voices and countries."""
        found = "whether the voices speak well and the countries are permitted"
        yield advice("before a call", f"{self.name}: {found}", f"{LIVE_REMEDY} --route NAME")

    def parse_reply_id(self, body: bytes) -> str | None:
        """Return the id of the request in a reply."""
        return parse_request_id(decode_object(body).get("request_uuid"))

    def check_call(self, evidence: CapturedEvidence) -> Iterator[CheckResult]:
        """Yield each row of the page."""
        return check_conformance(PlivoEvidence.of(evidence))

    def _line_finding(
        self, line: OwnedLine, get: Callable[[str], HttpResponse | RequestFailed]
    ) -> Finding:
        """Return whether the line is rented, or else verified."""
        for resource, member in (("Number", "number"), ("VerifiedCallerId", "phone_number")):
            response = get(self._account.url(f"{resource}/{line.number}/"))
            if str(members_of(response).get(member)).removeprefix("+") == line.number:
                return line.finding(is_own=True)
            if not isinstance(response, HttpResponse) or response.status != 404:
                return line.finding(is_own=None, detail=describe(response))
        return line.finding(is_own=False)

    @property
    def _account(self) -> Account:
        section = self.section
        return Account(
            auth_id=section.auth_id, auth_token=section.auth_token[0], base_url=section.base_url
        )
