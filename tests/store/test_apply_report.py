"""Call reports: applied to the one call that they are about, and only forward."""

from typing import Any

import pytest
from store.driver import RAVI, StoreDriver

from otpvoice.core.verification import CallReason, CallStatus, Status
from otpvoice.store.models import CallResult, ReportOutcome

NO_IDS: dict[str, Any] = {}
OTHER_BRIDGE = "918068280001"
RESULTS = [CallStatus.ANSWERED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED]


# By an id -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", RESULTS)
def test_report_with_our_id_ends_the_call(driver: StoreDriver, status: CallStatus) -> None:
    """With the reported details."""
    begun, claim, _ = driver.place()
    settled = driver.apply_callback(status, call_id=claim.call_id, duration_s=12)
    assert settled.outcome is ReportOutcome.APPLIED
    assert (settled.call_id, settled.call_status) == (claim.call_id, status)
    assert settled.verification_id == begun.id
    call = driver.last_call(begun)
    assert (call.status, call.raw, call.duration) == (status, status.upper(), 12)
    assert call.ended_at
    assert not call.is_live(driver.get(begun).now)
    assert driver.get(begun).status is Status.PENDING


def test_report_with_any_provider_id_finds_the_call(driver: StoreDriver) -> None:
    """A message may carry several ids."""
    _, claim, _ = driver.place("70fa87e0")
    settled = driver.apply_callback(CallStatus.BUSY, provider_ids=("something-else", "70fa87e0"))
    assert (settled.outcome, settled.call_id) == (ReportOutcome.APPLIED, claim.call_id)


def test_report_with_id_ignores_number_bridge_route_and_start(driver: StoreDriver) -> None:
    """The provider's id decides."""
    _, claim, _ = driver.place("70fa87e0")
    settled = driver.apply_callback(
        CallStatus.BUSY,
        provider_ids=("70fa87e0",),
        to=RAVI,
        bridges=("9",),
        other_routes=("obd",),
        started_at=1,
    )
    assert (settled.outcome, settled.call_id) == (ReportOutcome.APPLIED, claim.call_id)


def test_report_of_another_number_is_not_about_the_call_of_its_address(driver: StoreDriver) -> None:
    """A provider's id in it still leads to the call that it is about."""
    begun, claim, _ = driver.place()
    ravis = driver.create(RAVI)
    driver.dial(CallResult(CallStatus.PLACED, provider_id="p-2"))
    other = driver.apply_callback(CallStatus.BUSY, to=RAVI, call_id=claim.call_id)
    assert other.outcome is ReportOutcome.NO_CALL
    assert driver.last_call(begun).status is CallStatus.PLACED
    driver.apply_callback(CallStatus.BUSY, to=RAVI, provider_ids=("p-2",), call_id=claim.call_id)
    assert driver.last_call(begun).status is CallStatus.PLACED
    assert driver.last_call(ravis).status is CallStatus.BUSY
    assert (
        driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id).outcome
        is ReportOutcome.APPLIED
    )


def test_report_stores_reason(driver: StoreDriver) -> None:
    """Hung up before the answer."""
    begun, claim, _ = driver.place()
    driver.apply_callback(
        CallStatus.NO_ANSWER, call_id=claim.call_id, reason=CallReason.HUNG_UP_BEFORE_ANSWER
    )
    assert driver.last_call(begun).reason is CallReason.HUNG_UP_BEFORE_ANSWER


def test_unknown_status_keeps_call_live(driver: StoreDriver) -> None:
    """The number stays locked, and later reports count."""
    begun, claim, _ = driver.place()
    assert driver.apply_callback(CallStatus.UNKNOWN, call_id=claim.call_id).outcome == "applied"
    call = driver.last_call(begun)
    assert (call.status, call.ended_at) == (CallStatus.UNKNOWN, None)
    assert call.is_live(driver.get(begun).now)
    assert driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id).outcome == "applied"


def test_report_of_unknown_call_replaces_status_and_reason(driver: StoreDriver) -> None:
    """The result is known, so `no_news` no longer applies."""
    begun = driver.create()
    claim = driver.dial(CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR))
    assert driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id).outcome == "applied"
    call = driver.last_call(begun)
    assert (call.status, call.reason) == (CallStatus.ANSWERED, None)


def test_report_after_live_until_is_applied_by_id(driver: StoreDriver) -> None:
    """Also after the end of its verification."""
    begun, claim, _ = driver.place()
    driver.advance_time(400)
    assert driver.last_call(begun).status is CallStatus.UNKNOWN
    assert driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id).outcome == "applied"
    assert driver.last_call(begun).status is CallStatus.BUSY


def test_report_of_unsent_call_is_not_applied(driver: StoreDriver) -> None:
    """A queued or claimed call cannot have a result."""
    begun = driver.create()
    for _ in range(2):
        settled = driver.apply_callback(CallStatus.ANSWERED, call_id=begun.calls[0].id)
        assert settled.outcome is ReportOutcome.LATE
        assert settled.call_status is not CallStatus.ANSWERED
        driver.store.claim(200)
    assert driver.last_call(begun).status is CallStatus.DIALING


def test_report_before_the_reply_is_applied(driver: StoreDriver) -> None:
    """By our id or by the number, while the call is dialing."""
    begun = driver.create()
    claim = driver.claim()
    driver.mark_sent(claim)
    now = driver.get(begun).now
    settled = driver.apply_callback(
        CallStatus.BUSY, provider_ids=("not-yet-known",), started_at=now
    )
    assert (settled.outcome, settled.call_id) == (ReportOutcome.APPLIED, claim.call_id)


# By the line --------------------------------------------------------------------------------------


def test_report_without_id_applies_to_the_one_live_call(driver: StoreDriver) -> None:
    """Of that route, caller line and number, with a matching start."""
    _, claim, sent_at = driver.place()
    settled = driver.apply_callback(
        CallStatus.BUSY,
        bridges=("1", claim.bridge),
        other_routes=("c2c",),
        started_at=sent_at + 5_000,
    )
    assert (settled.outcome, settled.call_id) == (ReportOutcome.APPLIED, claim.call_id)


def test_report_by_number_stores_its_provider_id(driver: StoreDriver) -> None:
    """The next message with that id needs no number."""
    _, claim, sent_at = driver.place()
    driver.apply_callback(CallStatus.UNKNOWN, provider_ids=("70fa87e0",), started_at=sent_at)
    settled = driver.apply_callback(CallStatus.BUSY, provider_ids=("70fa87e0",), bridges=())
    assert (settled.outcome, settled.call_id) == (ReportOutcome.APPLIED, claim.call_id)


@pytest.mark.parametrize("seconds", [-119, 0, 119])
def test_report_with_start_within_slack_is_applied(driver: StoreDriver, seconds: int) -> None:
    """Clocks may differ by 120 s."""
    _, _, sent_at = driver.place()
    settled = driver.apply_callback(CallStatus.BUSY, started_at=sent_at + seconds * 1000)
    assert settled.outcome is ReportOutcome.APPLIED


@pytest.mark.parametrize("seconds", [-5400, -121, 122, 19_800, None])
def test_report_with_start_beyond_slack_is_unmatched(
    driver: StoreDriver, seconds: int | None
) -> None:
    """An earlier call's report, a wrong time zone, or no start."""
    begun, claim, sent_at = driver.place()
    started_at = None if seconds is None else sent_at + seconds * 1000
    settled = driver.apply_callback(CallStatus.BUSY, started_at=started_at)
    assert (settled.outcome, settled.call_id) == (ReportOutcome.CLOCK, claim.call_id)
    assert driver.last_call(begun).status is CallStatus.PLACED


def test_report_with_late_start_is_applied(driver: StoreDriver) -> None:
    """The provider may queue a call before it starts."""
    _, _, sent_at = driver.place()
    driver.advance_time(100)
    assert driver.apply_callback(CallStatus.BUSY, started_at=sent_at + 200_000).outcome == "applied"


def test_report_of_other_route_number_or_bridge_is_unmatched(driver: StoreDriver) -> None:
    """Nothing changes."""
    begun, _, sent_at = driver.place()
    for settled in (
        driver.apply_callback(CallStatus.BUSY, other_routes=("obd",), started_at=sent_at),
        driver.apply_callback(CallStatus.BUSY, to=RAVI, started_at=sent_at),
        driver.apply_callback(CallStatus.BUSY, bridges=(OTHER_BRIDGE,), started_at=sent_at),
        driver.apply_callback(CallStatus.BUSY, bridges=(), started_at=sent_at),
    ):
        assert (settled.outcome, settled.call_id) == (ReportOutcome.NO_CALL, None)
    assert driver.last_call(begun).status is CallStatus.PLACED


def test_report_with_other_id_does_not_match_call_with_known_id(driver: StoreDriver) -> None:
    """The message would carry the known id."""
    begun, _, sent_at = driver.place("70fa87e0")
    settled = driver.apply_callback(
        CallStatus.BUSY, provider_ids=("something-else",), started_at=sent_at
    )
    assert settled.outcome is ReportOutcome.NO_CALL
    assert driver.last_call(begun).status is CallStatus.PLACED


def test_report_without_id_matches_call_with_id(driver: StoreDriver) -> None:
    """C2C as documented: the reply has a ``callId``, the callback has none (mobtexting.md)."""
    begun, claim, sent_at = driver.place("26074c32")
    settled = driver.apply_callback(CallStatus.ANSWERED, provider_ids=(), started_at=sent_at)
    assert (settled.outcome, settled.call_id) == (ReportOutcome.APPLIED, claim.call_id)
    assert driver.last_call(begun).status is CallStatus.ANSWERED


def test_report_that_fits_two_calls_is_unmatched(driver: StoreDriver) -> None:
    """Two caller lines call the number, as with the release before, and the message names none."""
    first = driver.create()
    driver.mark_sent(driver.claim(), gaps=(0,))
    driver.drop_number_lock()
    second = driver.create(client="bank", bridge=OTHER_BRIDGE)
    driver.mark_sent(driver.claim(), gaps=(0,))
    bridges = (first.calls[0].bridge, OTHER_BRIDGE)
    settled = driver.apply_callback(CallStatus.BUSY, bridges=bridges, started_at=second.now)
    assert (settled.outcome, settled.call_id) == (ReportOutcome.SEVERAL, None)
    for begun in (first, second):
        assert driver.last_call(begun).status is CallStatus.DIALING


def test_report_without_id_ignores_ended_call(driver: StoreDriver) -> None:
    """Likewise a call after its live time."""
    _, claim, sent_at = driver.place()
    driver.apply_callback(CallStatus.BUSY, call_id=claim.call_id)
    assert driver.apply_callback(CallStatus.ANSWERED, started_at=sent_at).outcome == "no_call"
    driver.advance_time(60)
    _, _, sent_at = driver.place(reference="again")
    driver.advance_time(165)
    assert driver.apply_callback(CallStatus.ANSWERED, started_at=sent_at).outcome == "no_call"


def test_report_without_id_ignores_claimed_call(driver: StoreDriver) -> None:
    """Nothing was sent."""
    begun = driver.create()
    driver.claim()
    assert driver.apply_callback(CallStatus.BUSY, started_at=begun.now).outcome == "no_call"


def test_report_of_another_provider_never_applies(driver: StoreDriver) -> None:
    """Whatever id it has: two companies may use equal ones, and one may be hostile."""
    begun, claim, sent_at = driver.place("p-1")
    for members in ({"call_id": claim.call_id}, {"provider_ids": ("p-1",)}, NO_IDS):
        report = driver.apply_callback(
            CallStatus.BUSY, foreign_routes=("obd",), started_at=sent_at, **members
        )
        assert report.outcome is ReportOutcome.NO_CALL
    assert driver.get(begun).calls[0].status is CallStatus.PLACED
    own = driver.apply_callback(CallStatus.BUSY, foreign_routes=("c2c",), provider_ids=("p-1",))
    assert own.outcome is ReportOutcome.APPLIED


def test_report_applies_although_two_providers_use_its_id(driver: StoreDriver) -> None:
    """The other one's call has the id later; the number leads to this one's."""
    begun, claim, sent_at = driver.place("p-1")
    driver.create(RAVI, route="c2c")
    assert driver.dial(CallResult(CallStatus.PLACED, provider_id="p-1")).route == "c2c"
    members: dict[str, Any] = {"foreign_routes": ("c2c",), "started_at": sent_at}
    other = driver.apply_callback(CallStatus.BUSY, provider_ids=("p-2",), **members)
    assert other.outcome is ReportOutcome.NO_CALL
    own = driver.apply_callback(CallStatus.BUSY, provider_ids=("p-1",), **members)
    assert (own.outcome, own.call_id) == (ReportOutcome.APPLIED, claim.call_id)
    assert driver.last_call(begun).status is CallStatus.BUSY
