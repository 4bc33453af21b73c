"""The checks of an account with Mobtexting (docs/providers/mobtexting.md, sections 2 and 4)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from otpvoice.diagnostics import Finding, advice, failure, ok, warning
from otpvoice.http_client import HttpClient
from otpvoice.providers.checks import LIVE_REMEDY, AccountChecks, WebhookCredential
from otpvoice.providers.conformance import CapturedEvidence, CheckResult
from otpvoice.providers.mobtexting.build import callback_format
from otpvoice.providers.mobtexting.conformance import MobtextingEvidence, check_conformance
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.mobtexting.queries import AccountStatus, fetch_balance, try_status_query
from otpvoice.providers.mobtexting.reply import parse_reply_id
from otpvoice.providers.mobtexting.settings import MobtextingSettings

_LOW_CREDITS: Final = 100
"""A call costs about half a credit, or one."""
_ACCOUNT_FAILURES: Final = {
    None: (
        *("{0} address", "sends no valid response"),
        "correct {0}.base_url: this is not the provider's API, or it is down",
    ),
    401: ("{0}.token", "is refused", "correct {0}.token"),
    402: ("{0} balance", "there is no credit", "top up the account"),
    403: ("{0}.token", "is refused", "correct {0}.token"),
}
"""Subject, observation and remedy, by the HTTP status of the response to a balance query."""
_OTHER_FAILURE: Final = (
    *("{0} address", "sends an unexpected response"),
    "correct {0}.base_url",
)


@dataclass(frozen=True, kw_only=True)
class MobtextingChecks(AccountChecks[MobtextingSettings]):
    """The checks of one account."""

    conformance_page = "docs/providers/mobtexting.md, section 4"

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return self.section.base_url

    def secret_findings(self) -> Iterator[Finding]:
        """Yield whether callbacks can be authenticated."""
        subject = f"{self.table}.webhook_secret"
        if self.section.has_webhook_secret:
            yield ok(subject, "callbacks can authenticate")
        else:
            todo = f"set {subject} or {self.table}.webhook_path_token"
            yield failure(subject, "is not set, so every callback is refused", todo)

    def speech_findings(self) -> Iterator[Finding]:
        """Yield a sound instead of a flow, and redials by the provider itself."""
        section, table = self.section, self.table
        if section.audio and Mode.OBD in self.modes:
            found = "OBD calls play a sound, which speaks no code"
            yield failure(f"{table}.audio", found, "leave it empty")
        if section.interval:
            found = f"the provider redials after {section.interval} min, when the code has expired"
            yield warning(f"{table}.interval", found, "set it to 0")
        if section.c2c_attempts:
            found = f"the provider redials an unanswered number {section.c2c_attempts} times"
            todo = "set it to 0, and use verification.max_redials"
            yield warning(f"{table}.c2c_attempts", found, todo)

    def account_findings(self, http: HttpClient) -> Iterator[Finding]:
        """Yield token and credit, and whether calls without a callback can be queried."""
        balance = fetch_balance(self.section.base_url, self.section.token, http)
        yield balance_finding(self.table, balance)
        if balance.status == 200:
            today = datetime.now(ZoneInfo(self.section.timezone)).date()
            for mode in self.modes:
                base_url, token = self.section.base_url, self.section.token
                status = try_status_query(base_url, token, mode, today, http)
                yield _status_query_finding(mode, status)

    def unverified_findings(self) -> Iterator[Finding]:
        """Yield flows, caller line and webhook; the zone is shown to be compared."""
        section = self.section
        now = datetime.now(ZoneInfo(section.timezone))
        yield ok(f"{self.table}.timezone", f"{section.timezone}, where it is {now:%H:%M}")
        flows = ", ".join(dict.fromkeys(flow.id for flow in section.flows.values()))
        webhook = "webhook_id" if section.webhook_id else "the webhook subscription"
        things = f"flow {flows}, bridge {self.caller_line}, {webhook} and {self.table}.timezone"
        yield advice("before a call", f"whether {things} are right", LIVE_REMEDY)

    def webhook_credentials(self) -> Iterator[WebhookCredential]:
        """Yield each secret, and each token of a path."""
        for i, secret in enumerate(self.section.webhook_secret):
            yield WebhookCredential(
                setting=f"webhook_secret[{i}]",
                headers={"Authorization": f"Bearer {secret}"},
                forwarded="Authorization",
            )
        for i, token in enumerate(self.section.webhook_path_token):
            name = f"webhook_path_token[{i}]"
            yield WebhookCredential(setting=name, path=f"/{token}", forwarded="every path")

    def parse_reply_id(self, body: bytes) -> str | None:
        """Return the id of the call in a reply."""
        return parse_reply_id(body)

    def check_call(self, evidence: CapturedEvidence) -> Iterator[CheckResult]:
        """Yield each row of the page."""
        form = callback_format(self.section, self.region)
        return check_conformance(MobtextingEvidence.of(evidence, form=form))


def balance_finding(table: str, account: AccountStatus) -> Finding:
    """Return the finding for the response to a balance query. ``table``: the section's name."""
    if account.status != 200:
        failed = _ACCOUNT_FAILURES.get(account.status, _OTHER_FAILURE)
        subject, found, todo = (text.format(table) for text in failed)
        return failure(subject, f"{found} ({account.detail})", todo)
    subject = f"{table} balance"
    try:
        left = float(account.credits or "")
    except ValueError:
        found = "the token is accepted; the response has no credits"
        return advice(subject, found, "see the remaining credits in the provider's portal")
    found = f"the token is accepted, {account.credits} credits left"
    if left <= 0:
        return failure(subject, found, "top up the account: every call is refused")
    if left < _LOW_CREDITS:
        return warning(subject, found, "top up the account")
    return ok(subject, found)


def _status_query_finding(mode: str, account: AccountStatus) -> Finding:
    """Return whether calls without a callback can be queried."""
    subject = f"status query {mode}"
    if account.status == 200:
        return ok(subject, "calls without a callback can be queried")
    if account.status == 404 and mode == Mode.OBD:
        found = f"an unknown call returns {account.detail}; a known call may be found"
        return advice(subject, found, LIVE_REMEDY)
    found = f"calls cannot be queried ({account.detail})"
    todo = "have the token allow it: without a callback, calls stay unknown"
    return warning(subject, found, todo)
