"""Operators' queries about the service, its verifications and its numbers.

The command line and the console render the results, each in its own way.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from otpvoice.core.errors import InvalidNumber
from otpvoice.core.keys import DecryptionError, KeyRing, NumberHasher, decrypt_number, mask_number
from otpvoice.core.phone import is_international, is_number_like, parse_written_number
from otpvoice.core.verification import Call, Verification
from otpvoice.store.admin import (
    AdminStore,
    Breaker,
    NumberIdentity,
    NumberLimits,
    Overview,
    identify_number,
)
from otpvoice.store.models import Quarantine
from otpvoice.store.policy import LINE_PROBE_PERCENT

RETENTION_NOTE: Final = (
    "Verifications are kept for verification.retention after their end, "
    "and for an hour if no call was sent and nothing was approved."
)
_QUEUE_LATE_MS: Final = 15_000
_CODE_HEARD: Final = {
    True: "the code was heard",
    False: "the code was not heard",
    None: "not known whether the code was heard",
}
DENIED: Final = ", because the person who was called denied having asked for it"
"""Follows the end of a block."""


@dataclass(frozen=True, slots=True)
class FoundVerification:
    """A verification that matches a search."""

    verification: Verification
    masked_number: str | None
    """None if the key that encrypted the number is no longer in the ring."""

    @property
    def number_text(self) -> str:
        """The masked number, or the reason why there is none."""
        return self.masked_number or "a number whose key was dropped from the ring"


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Verifications that match a search, and the limits of the number if it was one."""

    searched: list[str]
    """What the text was searched as: ``id``, ``number``, ``reference``."""
    number_error: str
    """Why digits were searched as a reference only."""
    verifications: list[FoundVerification]
    """The newest first."""
    limits: NumberLimits | None

    @property
    def description(self) -> str:
        """A sentence about what was searched. It does not repeat the text."""
        names = [f"an {name}" if name == "id" else f"a {name}" for name in self.searched]
        reason = f", not as a number: {self.number_error}" if self.number_error else "."
        return f"Searched as {' and as '.join(names)}{reason}"


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that refuses calls, or that an operator should look at."""

    refuses: bool
    """Whether calls are refused. If not, the alert is a warning."""
    meaning: str
    title: str = ""
    remedy: str = ""
    until_ms: int | None = None


_BREAKERS: Final = MappingProxyType(
    {
        "conversion_breaker area": Alert(
            refuses=True,
            meaning="Numbers with this prefix are refused: few answered calls led to an approval.",
            remedy="If people there need codes, clear the breaker with any of their numbers: "
            "otpvoice limits clear +91… Otherwise add the prefix to limits.deny_prefixes.",
        ),
        "conversion_breaker region": Alert(
            refuses=False,
            meaning="Few answered calls in this region led to an approval. No call is refused.",
            remedy="Run otpvoice verify and check that the code is spoken in full. If you have no "
            "users in the region, remove it from limits.regions.",
        ),
        "conversion_breaker client": Alert(
            refuses=False,
            meaning="Few answered calls for this client led to an approval. No call is refused.",
            remedy="Ask the client's operator what changed. Set deliver_only if the client checks "
            "codes itself and reports no result.",
        ),
        "wrong_code_breaker": Alert(
            refuses=False,
            meaning="Most submitted codes are wrong. New verifications get 3 checks.",
            remedy="Codes may be guessed. Find the client in the log: verification.checked with "
            "valid false. Have that client limit its users' requests.",
        ),
    }
)
"""By setting and scope. An open breaker adds its name and its end."""


_WEAK_LINE: Final = Alert(
    refuses=False,
    meaning="People answer this line far less often than the others. Networks have probably "
    f"labeled it as spam. All weak lines together get {LINE_PROBE_PERCENT} % of the calls.",
    remedy="Report the label to the provider or the network, or replace the line in bridges.",
)


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The whole service now: the store's overview and the alerts."""

    overview: Overview
    alerts: tuple[Alert, ...]
    """Those that refuse calls first."""
    breakers: tuple[Alert, ...]
    """The alerts for open circuit breakers."""
    unavailable: tuple[str, ...]
    """Reasons why every call is refused."""
    max_live_calls: int

    @property
    def refused(self) -> dict[str, int]:
        """Refusals in the last hour, by limit, without zeros."""
        return {limit: count for limit, count in self.overview.refused.items() if count}


@dataclass(frozen=True, slots=True)
class AdminService:
    """Combines the operator's side of the store with the settings.

    All methods raise ``StoreUnavailable`` if the store cannot serve.
    """

    store: AdminStore
    ring: KeyRing
    number_hasher: NumberHasher
    max_live_calls: int
    routes: tuple[str, ...]
    public_url: str
    """Base of the URLs of verifications."""
    region: str | None
    """The region of numbers without a calling code. None if there is no single one."""

    def status(self) -> ServiceStatus:
        """Return the status of the whole service."""
        overview = self.store.overview()
        all_closed = {*self.routes} <= {*overview.closed_routes}
        unavailable = {
            "no dialer is running": not overview.dialers,
            "all routes are closed": all_closed,
        }
        breakers = tuple(_breaker_alert(breaker) for breaker in overview.open_breakers)
        alerts = [*_call_alerts(overview, all_closed=all_closed), *breakers]
        alerts += _record_alerts(overview.quarantine)
        alerts.sort(key=lambda each: not each.refuses)
        reasons = tuple(reason for reason, is_so in unavailable.items() if is_so)
        return ServiceStatus(overview, tuple(alerts), breakers, reasons, self.max_live_calls)

    def parse_number(self, text: str) -> NumberIdentity:
        """Parse a number as people write it, whether its region is called or not.

        Raises:
            InvalidNumber: the text is not a phone number.
        """
        return identify_number(parse_written_number(text, self.region), self.number_hasher)

    def search(self, text: str, by: str) -> SearchResult:
        """Find verifications by id (``vrf_…``), number (``+…``, ``tel:…``) or reference.

        Other digits are searched as a number if they can be one, and as a reference, because
        clients may use numbers as references.

        Args:
            text: what the operator typed.
            by: the operator's name. The log records each search with it.

        Raises:
            InvalidNumber: the text is written as an international number but is none.
        """
        found: dict[str, list[Verification]] = {}
        identity, number_error = None, ""
        if text.startswith("vrf_"):
            found["id"] = self.store.find_by_id(text, by)
        else:
            try:
                if is_international(text) or is_number_like(text):
                    identity = self.parse_number(text)
                    found["number"] = self.store.find_by_number(identity, by)
            except InvalidNumber as error:
                if is_international(text):
                    raise
                number_error = str(error)
            if not is_international(text):
                reference = self.number_hasher.hash_attribute("reference", text)
                found["reference"] = self.store.find_by_reference(reference, by)
        by_id = {each.id: each for matches in found.values() for each in matches}
        newest_first = sorted(by_id.values(), key=lambda each: each.created_at, reverse=True)
        return SearchResult(
            searched=[*found],
            number_error=number_error,
            verifications=[FoundVerification(each, self.mask(each)) for each in newest_first],
            limits=self.store.explain(identity) if identity else None,
        )

    def search_number(self, identity: NumberIdentity, by: str) -> SearchResult:
        """Return the verifications of a number and its limits."""
        found = self.store.find_by_number(identity, by)
        return SearchResult(
            searched=["number"],
            number_error="",
            verifications=[FoundVerification(each, self.mask(each)) for each in found],
            limits=self.store.explain(identity),
        )

    def mask(self, verification: Verification) -> str | None:
        """Return the masked number. None if the key that encrypted it is not in the ring."""
        try:
            number = decrypt_number(self.ring, verification.id, verification.encrypted_number)
        except DecryptionError:
            return None
        return mask_number(number)


def describe_result(call: Call) -> Iterator[str]:
    """Yield what is known about an ended call: its duration, the code, the provider's word."""
    if call.duration is not None:
        yield f"{call.duration} s of talk"
    if call.status == "answered":
        yield _CODE_HEARD[call.heard]
    if call.raw:
        yield f"the provider reported {call.raw}"


def _breaker_alert(breaker: Breaker) -> Alert:
    alert = _BREAKERS[" ".join(breaker.name.split()[:2])]
    return replace(alert, title=breaker.name, until_ms=breaker.open_until)


def _call_alerts(overview: Overview, *, all_closed: bool) -> Iterator[Alert]:
    if not overview.dialers:
        yield Alert(
            refuses=True,
            title="No dialer is running",
            meaning="No dialer has sent a heartbeat for 30 s, so calls are refused.",
            remedy="Start one: otpvoice dialer, or otpvoice serve.",
        )
    for line in overview.weak_lines:
        yield replace(_WEAK_LINE, title=f"Caller line +{line} is weak")
    for route in overview.closed_routes:
        yield Alert(
            refuses=all_closed,
            title=f"Route {route} is closed",
            meaning="Calls by this route failed. One call probes it again within a minute.",
            remedy="Find the cause in route.closed in the dialer's log.",
        )
    for limit in overview.limits:
        if limit.until_ms:
            meaning = f"{limit.used} of {limit.allowed} are used, so further calls are refused."
            yield Alert(refuses=True, title=limit.title, meaning=meaning, until_ms=limit.until_ms)
    if overview.overdue_ms > _QUEUE_LATE_MS:
        yield Alert(
            refuses=False,
            title="The queue is late",
            meaning=f"The oldest call that is ready has waited {overview.overdue_ms // 1000} s.",
            remedy="After 60 s, creates of its client are refused (over_capacity). Start another "
            "dialer.",
        )


def _record_alerts(quarantine: Quarantine) -> Iterator[Alert]:
    if quarantine.quarantined:
        yield Alert(
            refuses=False,
            title=f"{quarantine.quarantined} unreadable records were quarantined in 15 minutes",
            meaning=f"The newest: {quarantine.records[-1]}." if quarantine.records else "",
            remedy="List them with otpvoice doctor, and find what else writes to this store.",
        )
    if quarantine.undialable:
        yield Alert(
            refuses=False,
            title=f"{quarantine.undialable} calls could not be dialed in 15 minutes",
            meaning=f"The newest: {quarantine.calls[-1]}." if quarantine.calls else "",
            remedy="Deploy the same settings to the API and to all dialers.",
        )
