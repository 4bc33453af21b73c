"""The checks of an account of the TwiML family (docs/providers/twiml.md, section 7)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

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
from otpvoice.providers.twiml.account import Account
from otpvoice.providers.twiml.conformance import TwimlEvidence, check_conformance
from otpvoice.providers.twiml.reply import sid_of
from otpvoice.providers.twiml.settings import TwimlSettings, account_of
from otpvoice.providers.twiml.vendors import VENDORS

REMEDIES: Final = {
    401: ("token", "is refused", "correct {0}.token, {0}.account or {0}.user"),
    403: ("token", "is refused", "correct {0}.token, or have the account activated"),
    404: ("account", "is unknown", "correct {0}.account or {0}.base_url"),
}
"""Setting, observation and remedy, by the HTTP status of the response to a query of calls."""
_RENTED: Final = ("IncomingPhoneNumbers", "incoming_phone_numbers")
_VERIFIED: Final = ("OutgoingCallerIds", "outgoing_caller_ids")
_NUMBER_LISTS: Final = {
    "twilio": (_RENTED, _VERIFIED),
    "signalwire": (_RENTED, _VERIFIED),
    "somleng": (_RENTED,),
}
"""Resource and member of each list of numbers. Telnyx has them outside of its TeXML API."""
_TEXML: Final = "/texml"


@dataclass(frozen=True, kw_only=True)
class TwimlChecks(AccountChecks[TwimlSettings]):
    """The checks of one account."""

    conformance_page = "docs/providers/twiml.md, section 8"

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return self._account.calls_url()

    @property
    def fetches_code(self) -> bool:
        """Whether the vendor fetches documents, if only those that follow a key."""
        return self.is_gated or not VENDORS[self.section.vendor].document_member

    def account_findings(self, http: HttpClient) -> Iterator[Finding]:
        """Yield whether the vendor accepts the credentials, the balance, and the caller line."""
        account = self._account
        get = partial(fetch, http, headers=account.headers())
        # The list of calls needs every credential that calls need, and changes nothing.
        response = get(account.calls_url(PageSize="1"))
        accepted = credentials_finding(self.table, response, "calls", REMEDIES)
        yield accepted
        if accepted.level is Level.OK:
            if url := _balance_url(account):
                yield _balance_finding(self.table, get(url))
            for line in self.lines():
                urls = _number_urls(account, f"+{line.number}")
                yield _line_finding(line, [(get(url), member) for url, member in urls])

    def unverified_findings(self) -> Iterator[Finding]:
        """Yield voices, countries, and the key of signatures."""
        found = "whether the voices speak well, the countries are permitted, and callbacks verify"
        yield advice("before a call", f"{self.name}: {found}", f"{LIVE_REMEDY} --route NAME")

    def parse_reply_id(self, body: bytes) -> str | None:
        """Return the id of the call in a reply."""
        return sid_of(decode_object(body))

    def check_call(self, evidence: CapturedEvidence) -> Iterator[CheckResult]:
        """Yield each row of the page."""
        return check_conformance(TwimlEvidence.of(evidence, vendor=self._account.vendor))

    @property
    def _account(self) -> Account:
        return account_of(self.section, webhook_url="")


def _balance_url(account: Account) -> str:
    """Return the address of the balance; empty if the vendor has none."""
    if account.vendor.name == "twilio":
        return account.resource_url("Balance")
    telnyx = _telnyx_url(account)
    return f"{telnyx}/balance" if telnyx else ""


def _number_urls(account: Account, line: str) -> Iterator[tuple[str, str]]:
    """Yield the address of each list of numbers, filtered by the line, and the list's member."""
    for resource, member in _NUMBER_LISTS.get(account.vendor.name, ()):
        yield account.resource_url(resource, PhoneNumber=line), member
    if telnyx := _telnyx_url(account):
        yield f"{telnyx}/phone_numbers?{urlencode({'filter[phone_number]': line})}", "data"
        yield f"{telnyx}/verified_numbers?{urlencode({'page[size]': '250'})}", "data"


def _line_finding(
    line: OwnedLine, lists: Sequence[tuple[HttpResponse | RequestFailed, str]]
) -> Finding:
    """Return whether the line is in one of the lists. It is foreign if it is in none of all."""
    for response, member in lists:
        listed = members_of(response).get(member)
        entries = listed if isinstance(listed, list) else []
        if any(f"+{line.number}" in _numbers(entry) for entry in entries):
            return line.finding(is_own=True)
    unread = [response for response, member in lists if not _is_whole_list(response, member)]
    if unread or not lists:
        detail = describe(unread[0]) if unread else "the address is not the vendor's"
        return line.finding(is_own=None, detail=detail)
    if len(lists) == 1:
        detail = "it is not a rented one, and verified ones cannot be listed"
        return line.finding(is_own=None, detail=detail)
    return line.finding(is_own=False)


def _telnyx_url(account: Account) -> str:
    """Return the address of Telnyx's API; empty for another vendor, or another address."""
    is_texml = account.vendor.name == "telnyx" and account.root_url.endswith(_TEXML)
    return account.root_url.removesuffix(_TEXML) if is_texml else ""


def _balance_finding(table: str, response: HttpResponse | RequestFailed) -> Finding:
    """Return the finding for a balance. Of a subaccount, Twilio has none."""
    members = members_of(response)
    data = members.get("data")
    if not isinstance(data, dict):
        return balance_finding(table, members.get("balance"), members.get("currency"))
    # What Telnyx lends counts as well.
    amount = data.get("available_credit") or data.get("balance")
    return balance_finding(table, amount, data.get("currency"), is_prepaid=True)


def _numbers(entry: Any) -> tuple[object, ...]:
    return (entry.get("phone_number"),) if isinstance(entry, dict) else ()


def _is_whole_list(response: HttpResponse | RequestFailed, member: str) -> bool:
    """Whether the response has the list, and no further page."""
    members = members_of(response)
    meta = members.get("meta")
    pages = meta.get("total_pages", "1") if isinstance(meta, dict) else "1"
    is_last = not members.get("next_page_uri") and str(pages) in {"0", "1"}
    return isinstance(members.get(member), list) and is_last
