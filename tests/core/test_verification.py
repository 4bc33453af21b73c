"""Status transitions and the next allowed actions."""

from typing import Final

import pytest
from msgspec.structs import replace

from otpvoice.core.verification import (
    CALL_TRANSITIONS,
    Call,
    CallStatus,
    NextAction,
    NextReason,
    Status,
    Verification,
)

NOW: Final = 1_700_000_000_000
SECOND: Final = 1_000
ENDED: Final = {
    CallStatus.ANSWERED,
    CallStatus.BUSY,
    CallStatus.NO_ANSWER,
    CallStatus.FAILED,
    CallStatus.CANCELED,
    CallStatus.EXPIRED,
}
CALL = Call(
    id="call_1", status=CallStatus.QUEUED, reason=None, route="obd", locale="default",
    bridge="918068280000", caller_id="+918068280000", due_at=NOW, not_before=0, sent_at=None,
    live_until=None, placed_at=None, ended_at=None, duration=None, heard=None, raw=None,
)  # fmt: skip
PENDING = Verification(
    id="vrf_1", client="login", encrypted_number=b"", status=Status.PENDING, reason=None,
    reference=None, created_at=NOW, expires_at=NOW + 300 * SECOND, ended_at=None, version=1,
    own_code=False, code_length=6, checks_left=5, queue_margin=60 * SECOND, calls=(), gap_until=0,
    limit="", limit_until=0, wrong_codes_until=0, now=NOW,
)  # fmt: skip


IN_PROGRESS = NextAction(allowed=False, reason=NextReason.CALL_IN_PROGRESS)
TOO_LATE = NextAction(allowed=False, reason=NextReason.TOO_LATE)


def with_calls(*calls: Call, gap_until: int = 0, now: int = NOW) -> Verification:
    """Return a pending verification with these calls."""
    return replace(PENDING, calls=calls, gap_until=gap_until, now=now)


def live(status: CallStatus, until: int | None) -> Call:
    """Return a call that was sent."""
    return replace(CALL, status=status, sent_at=NOW, live_until=until)


# The transition table ----------------------------------------------------------------------------


def test_transitions_have_every_status() -> None:
    """None is missing."""
    assert set(CALL_TRANSITIONS) == set(CallStatus)


def test_only_final_statuses_have_no_transition() -> None:
    """The first final status stays."""
    assert {status for status, ways in CALL_TRANSITIONS.items() if not ways} == ENDED


def test_every_status_is_reachable_and_can_end() -> None:
    """From queued, and to a final status."""
    reached, ending = {CallStatus.QUEUED}, set(ENDED)
    for _ in CallStatus:
        reached |= {to for status in reached for to in CALL_TRANSITIONS[status]}
        ending |= {status for status, ways in CALL_TRANSITIONS.items() if ways & ending}
    assert reached == ending == set(CallStatus)


def test_no_status_has_a_transition_to_itself() -> None:
    """A transition is a change."""
    assert not [status for status, ways in CALL_TRANSITIONS.items() if status in ways]


def test_placed_call_never_returns_to_the_queue() -> None:
    """It may have rung, and would ring twice."""
    for status in (CallStatus.PLACED, CallStatus.UNKNOWN):
        assert not CALL_TRANSITIONS[status] & {
            CallStatus.QUEUED, CallStatus.DIALING, CallStatus.EXPIRED,
        }  # fmt: skip


def test_queued_call_is_placed_only_through_dialing() -> None:
    """A dialer must claim it first."""
    assert CALL_TRANSITIONS[CallStatus.QUEUED] == {
        CallStatus.DIALING, CallStatus.CANCELED, CallStatus.EXPIRED,
    }  # fmt: skip


# Which call is live ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "is_live"),
    [
        (live(CallStatus.DIALING, None), True),
        (live(CallStatus.PLACED, NOW + 1), True),
        (live(CallStatus.PLACED, NOW), False),
        (live(CallStatus.PLACED, None), False),
        (live(CallStatus.UNKNOWN, NOW + 1), True),
        (live(CallStatus.UNKNOWN, NOW), False),
        (CALL, False),
        *((live(status, NOW + 1), False) for status in ENDED),
    ],
)
def test_is_live_for_dialing_placed_and_unknown_calls(call: Call, is_live: bool) -> None:
    """Until they end, or until ``live_until``."""
    assert call.is_live(NOW) is is_live


# What is next ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.PENDING])
def test_next_actions_of_ended_verification_are_closed(status: Status) -> None:
    """Whatever its calls."""
    ended = replace(PENDING, status=status)
    assert ended.next_check() == NextAction(allowed=False, reason=NextReason.CLOSED)
    assert ended.next_call() == NextAction(allowed=False, reason=NextReason.CLOSED)
    assert ended.expires_in == 0


def test_next_check_of_pending_verification_is_allowed() -> None:
    """During all of its life."""
    assert PENDING.next_check() == NextAction(allowed=True)


@pytest.mark.parametrize(
    ("verification", "expected"),
    [
        # There is no active call.
        (with_calls(), NextAction(allowed=True)),
        (with_calls(live(CallStatus.BUSY, NOW + 9)), NextAction(allowed=True)),
        (with_calls(live(CallStatus.PLACED, NOW)), NextAction(allowed=True)),
        (with_calls(live(CallStatus.UNKNOWN, NOW)), NextAction(allowed=True)),
        # A call is active.
        (with_calls(CALL), IN_PROGRESS),
        (with_calls(live(CallStatus.DIALING, None)), IN_PROGRESS),
        (with_calls(live(CallStatus.PLACED, NOW + 1)), IN_PROGRESS),
        (with_calls(live(CallStatus.UNKNOWN, NOW + 1)), IN_PROGRESS),
        # A delayed call is brought forward, but not before the gap ends.
        (with_calls(replace(CALL, due_at=NOW + 1)), NextAction(allowed=True)),
        (
            with_calls(replace(CALL, due_at=NOW + 9), gap_until=NOW + 8),
            NextAction(allowed=True, reason=NextReason.CALL_GAP, at=NOW + 8),
        ),
        (
            with_calls(replace(CALL, due_at=NOW + 9), gap_until=NOW + 9),
            IN_PROGRESS,
        ),
        # A call that waits for its retry is not.
        (with_calls(replace(CALL, due_at=NOW + 9, not_before=NOW + 9)), IN_PROGRESS),
        # A call is scheduled after the gap.
        (with_calls(gap_until=NOW), NextAction(allowed=True)),
        (
            with_calls(gap_until=NOW + 1),
            NextAction(allowed=True, reason=NextReason.CALL_GAP, at=NOW + 1),
        ),
        (
            with_calls(gap_until=NOW + 240 * SECOND),
            NextAction(allowed=True, reason=NextReason.CALL_GAP, at=NOW + 240 * SECOND),
        ),
        # The margin before the expiry is too short.
        (with_calls(gap_until=NOW + 240 * SECOND + 1), TOO_LATE),
        (with_calls(now=NOW + 240 * SECOND), NextAction(allowed=True)),
        (with_calls(now=NOW + 240 * SECOND + 1), TOO_LATE),
    ],
)  # fmt: skip
def test_next_call_is_allowed_if_a_request_would_have_an_effect(
    verification: Verification, expected: NextAction
) -> None:
    """Else it has the reason."""
    assert verification.next_call() == expected


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (NOW, 300),
        (NOW + 1, 299),
        (NOW + 299_001, 0),
        (NOW + 400_000, 0),
    ],
)
def test_expires_in_is_rounded_down_and_never_negative(now: int, left: int) -> None:
    """In whole seconds."""
    assert replace(PENDING, now=now).expires_in == left
