"""Mark: the last word before a call is sent, and from when on the number is left alone."""

from dataclasses import replace

from store.exchange import Exchange

from otpvoice.core.verification import CallStatus, Verification

DAY = 86_400


def test_a_claimed_call_is_marked_once(exchange: Exchange) -> None:
    """From then on it may ring, so that nobody may send it again."""
    begun = exchange.begins()
    claim = exchange.claims()
    assert exchange.marks(claim)
    assert not exchange.marks(claim)
    call = exchange.call_of(begun)
    assert call.status is CallStatus.DIALING
    assert call.sent_at
    assert call.live_until == call.sent_at + 165_000


def test_before_the_end_of_its_lease_it_is_marked(exchange: Exchange) -> None:
    """One second is enough."""
    exchange.begins()
    claim = exchange.claims()
    exchange.passes(19, dialer=None)
    assert exchange.marks(claim)


def test_after_its_lease_it_is_lost(exchange: Exchange) -> None:
    """Though nobody gave it back to the queue yet."""
    begun = exchange.begins()
    claim = exchange.claims()
    exchange.passes(20, dialer=None)
    assert not exchange.marks(claim)
    assert exchange.call_of(begun).sent_at is None


def test_another_holder_is_refused(exchange: Exchange) -> None:
    """Also the holder of an earlier claim of the same call."""
    exchange.begins()
    first = exchange.claims()
    exchange.passes(21)
    second = exchange.claims()
    assert second.call_id == first.call_id
    assert not exchange.marks(first)
    assert not exchange.marks(replace(second, holder="somebody"))
    assert exchange.marks(second)


def test_a_call_that_is_gone_is_lost(exchange: Exchange) -> None:
    """There is nothing to send."""
    exchange.begins()
    assert not exchange.marks(replace(exchange.claims(), call_id="call_none"))


def test_nothing_is_sent_for_an_ended_verification(exchange: Exchange) -> None:
    """Canceled between claim and mark, or over by then."""
    canceled = exchange.begins()
    claim = exchange.claims()
    exchange.cancels(canceled)
    assert not exchange.marks(claim)
    assert exchange.call_of(canceled).status is CallStatus.CANCELED

    over = exchange.begins(ttl=60)
    exchange.passes(44)
    claim = exchange.claims()
    exchange.passes(16, dialer=None)
    assert not exchange.marks(claim)
    assert exchange.call_of(over).status is CallStatus.EXPIRED


# Gaps --------------------------------------------------------------------------------------------


def gap_after_call(exchange: Exchange, begun: Verification) -> int:
    """Sends the due call, to a busy phone: the seconds until the next may be."""
    exchange.finds_busy()
    seen = exchange.looks(begun)
    sent_at = seen.calls[-1].sent_at
    assert sent_at
    return (seen.gap_until - sent_at) // 1000


def test_gaps_grow_with_the_calls(exchange: Exchange) -> None:
    """After the first, the second, and every later call to a number, over all verifications."""
    gaps = []
    for _ in range(5):
        begun = exchange.begins(ttl=600)
        gaps.append(gap_after_call(exchange, begun))
        exchange.cancels(begun)
        exchange.passes(gaps[-1])
    assert gaps == [60, 60, 300, 300, 300]


def test_an_approval_starts_over(exchange: Exchange) -> None:
    """Calls count since the last one."""
    begun = exchange.begins(ttl=600)
    exchange.finds_busy()
    exchange.passes(60)
    exchange.calls(begun)
    exchange.finds_busy()
    exchange.approves(begun)
    assert gap_after_call(exchange, exchange.begins()) == 60


def test_a_day_starts_over(exchange: Exchange) -> None:
    """What was sent more than 24 h ago does not count; what was sent less ago does."""
    for _ in range(2):
        begun = exchange.begins()
        exchange.finds_busy()
        exchange.passes(60)
        exchange.cancels(begun)
    exchange.passes(DAY - 100)
    begun = exchange.begins()
    assert gap_after_call(exchange, begun) == 300
    exchange.cancels(begun)
    exchange.passes(DAY + 1)
    assert gap_after_call(exchange, exchange.begins()) == 60
