"""A call that did not reach the person is followed by another, with the same code."""

from collections.abc import Callable

import pytest
from redis import Redis
from store.exchange import CODE, RING, Exchange, exchange_with

from otpvoice.core.service import decrypt_speech
from otpvoice.core.verification import Call, CallReason, CallStatus, Route, Verification
from otpvoice.store.models import CallResult

MISSED = [CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.FAILED]
HEARD_AFTER = 5


@pytest.fixture
def exchange(redis: Redis) -> Exchange:
    """One redial, with the usual gaps."""
    return exchange_with(redis, max_redials=1)


def called(exchange: Exchange, **members: float) -> Verification:
    """A verification whose call was placed."""
    begun = exchange.begins(**members)  # type: ignore[arg-type]
    exchange.dials(heard_after=HEARD_AFTER)
    return begun


def told(
    exchange: Exchange, begun: Verification, status: CallStatus, duration: int | None = None
) -> tuple[Call, ...]:
    """The verification's calls once the provider told how the newest ended."""
    newest = exchange.looks(begun).calls[-1]
    exchange.hears(status, call_id=newest.id, duration=duration)
    return exchange.looks(begun).calls


@pytest.mark.parametrize("status", MISSED)
def test_a_missed_call_is_followed_by_another(exchange: Exchange, status: CallStatus) -> None:
    """At the end of the gap, by the next route, over the same bridge and in the same language."""
    begun = called(exchange)
    first, second = told(exchange, begun, status)
    assert (second.status, second.route) == (CallStatus.QUEUED, Route.C2C)
    assert first.sent_at
    assert second.due_at == first.sent_at + 60_000
    assert (second.bridge, second.caller_id, second.locale) == (
        first.bridge,
        first.caller_id,
        first.locale,
    )


def test_it_is_not_dialed_inside_the_gap(exchange: Exchange) -> None:
    """A moment before its end nothing is due; at its end it is."""
    begun = called(exchange)
    told(exchange, begun, CallStatus.BUSY)
    exchange.passes(59)
    assert exchange.finds_nothing() == 1
    exchange.passes(1)
    claim = exchange.claims()
    assert claim.route is Route.C2C
    assert exchange.marks(claim)


def test_the_gap_is_tested_again_before_it_is_sent(exchange: Exchange) -> None:
    """Claimed before a call over another bridge left its gap: back in the queue, to its end."""
    mine = exchange.begins()
    exchange.begins(client="bank", bridge="918068280001")
    first, second = exchange.claims(), exchange.claims()
    assert exchange.marks(second if first.verification_id == mine.id else first)
    own = first if first.verification_id == mine.id else second
    assert not exchange.marks(own)
    call = exchange.call_of(mine)
    assert (call.status, call.sent_at) == (CallStatus.QUEUED, None)
    assert call.due_at == exchange.looks(mine).gap_until
    assert exchange.finds_nothing() == 60
    exchange.passes(60)
    assert exchange.marks(exchange.claims())


def test_the_same_code_is_spoken(exchange: Exchange) -> None:
    """The second call is handed the very seal of the first, with the code that is accepted."""
    begun = exchange.begins()
    first = exchange.dials()
    told(exchange, begun, CallStatus.NO_ANSWER)
    exchange.passes(60)
    second = exchange.dials()
    assert second.call_id != first.call_id
    assert second.encrypted_speech == first.encrypted_speech
    assert decrypt_speech(RING, begun.id, second.encrypted_speech)[0] == CODE
    assert exchange.checks(begun, CODE).outcome == "right"


def test_at_once_where_the_gap_is_over(exchange: Exchange) -> None:
    """News that took longer than the gap are followed by a call that is due now."""
    begun = called(exchange)
    exchange.passes(100)
    told(exchange, begun, CallStatus.BUSY)
    assert exchange.claims().verification_id == begun.id


@pytest.mark.parametrize(
    ("duration", "heard"), [(HEARD_AFTER - 1, False), (HEARD_AFTER, True), (None, None)]
)
def test_an_answered_call_is_followed_only_if_the_code_was_not_heard(
    exchange: Exchange, duration: int | None, heard: bool | None
) -> None:
    """Hung up before the code was spoken: false, and again. True or not known: no more."""
    begun = called(exchange)
    first, *further = told(exchange, begun, CallStatus.ANSWERED, duration)
    assert (first.status, first.heard, first.duration) == (CallStatus.ANSWERED, heard, duration)
    assert len(further) == (1 if heard is False else 0)


def test_without_the_flows_text_nobody_knows_what_was_heard(exchange: Exchange) -> None:
    """However short: null, and no redial."""
    begun = exchange.begins()
    exchange.dials()
    (call,) = told(exchange, begun, CallStatus.ANSWERED, 0)
    assert call.heard is None


@pytest.mark.parametrize("status", MISSED)
def test_only_an_answer_is_heard(exchange: Exchange, status: CallStatus) -> None:
    """A busy phone hears nothing, and nothing is said of it."""
    begun = called(exchange)
    assert told(exchange, begun, status, 30)[0].heard is None


def test_news_that_tell_nothing_redial_nothing(exchange: Exchange) -> None:
    """Unknown may still ring; but the result that comes later counts."""
    begun = called(exchange)
    assert len(told(exchange, begun, CallStatus.UNKNOWN)) == 1
    assert len(told(exchange, begun, CallStatus.BUSY)) == 2


@pytest.mark.parametrize(
    "result",
    [
        CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR),
        CallResult(CallStatus.FAILED, CallReason.REFUSED, unsent=True),
    ],
)
def test_no_answer_of_ours_redials(exchange: Exchange, result: CallResult) -> None:
    """A silence may ring; a refusal has routes of its own to try. Only news redial."""
    begun = exchange.begins()
    exchange.dials(result)
    exchange.passes(61)
    assert len(exchange.looks(begun).calls) == 1


def test_a_dead_dialers_call_is_not_redialed(exchange: Exchange) -> None:
    """Nor is one without news when its time is over."""
    begun, _ = exchange.sends()
    exchange.passes(21)
    exchange.passes(200)
    (call,) = exchange.looks(begun).calls
    assert call.status is CallStatus.UNKNOWN


def test_at_most_so_many(redis: Redis) -> None:
    """`max_redials` more; then nothing comes by itself."""
    exchange = exchange_with(redis, max_redials=2, gaps=(0,))
    begun = exchange.begins()
    for _ in range(3):
        exchange.finds_busy()
    assert exchange.finds_nothing() == -1
    assert len(exchange.looks(begun).calls) == 3


def test_calls_asked_for_are_not_counted(exchange: Exchange) -> None:
    """One that the user wanted in between leaves the redial; and the redial leaves the wish."""
    begun = called(exchange, ttl=600)
    told(exchange, begun, CallStatus.BUSY)
    exchange.passes(60)
    exchange.finds_busy()
    assert exchange.calls(begun).outcome == "coming"
    exchange.passes(60)
    exchange.finds_busy()
    assert len(exchange.looks(begun).calls) == 3


def test_none_without_the_setting(redis: Redis) -> None:
    """`max_redials = 0`."""
    exchange = exchange_with(redis, max_redials=0)
    begun = called(exchange)
    assert len(told(exchange, begun, CallStatus.BUSY)) == 1


def test_routes_go_round(redis: Redis) -> None:
    """After the last of the settings' routes the first follows."""
    exchange = exchange_with(redis, max_redials=3, gaps=(0,))
    begun = exchange.begins(ttl=600)
    for _ in range(4):
        exchange.finds_busy()
    assert [call.route for call in exchange.looks(begun).calls] == [
        Route.OBD,
        Route.C2C,
        Route.OBD,
        Route.C2C,
    ]


def test_a_single_route_is_its_own_next(redis: Redis) -> None:
    """With one route in the settings it is dialed again by that; one that is gone goes first."""
    exchange = exchange_with(redis, max_redials=2, gaps=(0,), routes=(Route.C2C,))
    begun = exchange.begins(ttl=600)
    exchange.finds_busy()
    exchange.finds_busy()
    assert [call.route for call in exchange.looks(begun).calls][1:] == [Route.C2C, Route.C2C]


def approved(exchange: Exchange, begun: Verification) -> None:
    """By the right code."""
    exchange.checks(begun, CODE)


def used_up(exchange: Exchange, begun: Verification) -> None:
    """By wrong codes."""
    for wrong in range(5):
        exchange.checks(begun, f"99999{wrong}")


def over(exchange: Exchange, _: Verification) -> None:
    """By time."""
    exchange.passes(301, dialer=None)


@pytest.mark.parametrize("end", [approved, Exchange.approves, Exchange.cancels, used_up, over])
def test_none_after_the_end(
    exchange: Exchange, end: Callable[[Exchange, Verification], object]
) -> None:
    """The person is not called for what is over; the news are still taken."""
    begun = called(exchange)
    end(exchange, begun)
    (call,) = told(exchange, begun, CallStatus.BUSY)
    assert call.status is CallStatus.BUSY


def test_a_waiting_redial_ends_with_its_verification(exchange: Exchange) -> None:
    """Approved meanwhile: it is canceled and never dialed."""
    begun = called(exchange)
    told(exchange, begun, CallStatus.BUSY)
    exchange.checks(begun, CODE)
    assert exchange.call_of(begun).status is CallStatus.CANCELED
    assert exchange.finds_nothing() == -1


def test_not_when_it_would_come_too_late(exchange: Exchange) -> None:
    """At the last moment that leaves the margin: yes. A moment after: no."""
    for seconds, calls in ((239, 2), (241, 1)):
        begun = called(exchange)
        exchange.passes(seconds, dialer=None)
        assert len(told(exchange, begun, CallStatus.BUSY)) == calls
        exchange.cancels(begun)
        exchange.passes(100_000)


def test_not_when_the_gap_ends_too_late(exchange: Exchange) -> None:
    """The gap counts: due at its end, not now."""
    begun = called(exchange, ttl=100)
    assert len(told(exchange, begun, CallStatus.BUSY)) == 1


def test_not_beside_another_call(exchange: Exchange) -> None:
    """One is queued already, because the older call's time was over when it was asked for."""
    begun = called(exchange)
    exchange.passes(166)
    assert exchange.call_of(begun).status is CallStatus.UNKNOWN
    exchange.calls(begun)
    first = exchange.looks(begun).calls[0]
    exchange.hears(CallStatus.BUSY, call_id=first.id)
    seen = exchange.looks(begun)
    assert [call.status for call in seen.calls] == [CallStatus.BUSY, CallStatus.QUEUED]


def test_the_same_news_redial_once(exchange: Exchange) -> None:
    """A callback that comes ten times, and the pull that says the same."""
    begun = called(exchange)
    (call,) = exchange.looks(begun).calls
    for _ in range(10):
        exchange.hears(CallStatus.BUSY, call_id=call.id)
        exchange.hears(CallStatus.BUSY, call_id=call.id, message="the same")
        exchange.learns(CallStatus.BUSY, call.id)
    assert len(exchange.looks(begun).calls) == 2


def test_a_refused_redial_goes_on_by_the_other_route(exchange: Exchange) -> None:
    """A redial has both routes before it, and the other route is no redial."""
    begun = called(exchange)
    told(exchange, begun, CallStatus.BUSY)
    exchange.passes(60)
    claim = exchange.claims()
    assert claim.tried == ()
    exchange.marks(claim)
    exchange.records(
        claim,
        CallResult(CallStatus.FAILED, CallReason.REFUSED, unsent=True, next_route=Route.OBD),
    )
    assert exchange.claims().route is Route.OBD
