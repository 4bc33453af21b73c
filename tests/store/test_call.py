"""Call: makes sure that a call comes, and soon."""

from store.exchange import RAVI, Exchange, new_call

from otpvoice.core.verification import CallStatus, Route, Verification
from otpvoice.store.decoding import Answer
from otpvoice.store.models import CallResult


def calls_in(answer: Answer) -> list[CallStatus]:
    """The states of the calls that an answer shows."""
    assert answer.verification
    return [call.status for call in answer.verification.calls]


def called_once(exchange: Exchange) -> Verification:
    """A verification whose first call met a busy phone, a gap ago."""
    begun = exchange.begins()
    exchange.finds_busy()
    exchange.passes(60)
    return begun


def test_a_further_call_is_queued_at_once(exchange: Exchange) -> None:
    """When nothing is under way and no gap holds; with the wished route."""
    begun = called_once(exchange)
    answer = exchange.calls(begun, Route.C2C)
    assert answer.outcome == "coming"
    assert calls_in(answer) == [CallStatus.BUSY, CallStatus.QUEUED]
    assert answer.verification
    call = answer.verification.calls[-1]
    assert (call.due_at, call.route) == (answer.verification.now, Route.C2C)
    assert exchange.claims().call_id == call.id


def test_the_route_is_the_verifications_if_none_is_wished(exchange: Exchange) -> None:
    """As create had it."""
    begun = exchange.asks(route=Route.C2C).verification
    assert begun
    exchange.finds_busy()
    exchange.passes(60)
    exchange.calls(begun)
    assert exchange.claims().route is Route.C2C


def test_inside_the_gap_it_is_scheduled(exchange: Exchange) -> None:
    """At its end, which ``next_call`` had told."""
    begun = exchange.begins()
    exchange.finds_busy()
    told = exchange.looks(begun).next_call()
    answer = exchange.calls(begun)
    assert answer.outcome == "coming"
    assert answer.verification
    assert (told.allowed, told.reason, told.at) == (True, "call_gap", answer.verification.gap_until)
    assert answer.verification.calls[-1].due_at == told.at
    assert exchange.finds_nothing() == 60


def test_a_delayed_call_is_brought_forward(exchange: Exchange) -> None:
    """No call is added; it is due now."""
    begun = exchange.begins(call_after=100)
    assert exchange.looks(begun).next_call().allowed
    answer = exchange.calls(begun)
    assert answer.outcome == "coming"
    assert answer.verification
    assert answer.verification.version > begun.version
    assert answer.verification.calls[0].due_at == answer.verification.now
    assert calls_in(answer) == [CallStatus.QUEUED]
    assert exchange.claims().call_id == begun.calls[0].id


def test_a_delayed_call_is_brought_forward_as_far_as_the_gap(exchange: Exchange) -> None:
    """And not a second time."""
    begun = exchange.begins()
    exchange.finds_busy()
    exchange.asks(call_after=200)
    answers = [exchange.calls(begun).verification for _ in range(2)]
    for answer in answers:
        assert answer
        assert answer.calls[-1].due_at == answer.gap_until
    first, second = answers
    assert first
    assert second
    assert first.version == second.version


def test_a_call_under_way_is_enough(exchange: Exchange) -> None:
    """Due, dialing, placed or unknown and live: nothing is added."""
    begun = exchange.begins()
    assert calls_in(exchange.calls(begun)) == [CallStatus.QUEUED]
    claim = exchange.claims()
    assert calls_in(exchange.calls(begun)) == [CallStatus.DIALING]
    exchange.marks(claim)
    exchange.store.record(claim, CallResult(CallStatus.PLACED))
    assert calls_in(exchange.calls(begun)) == [CallStatus.PLACED]
    exchange.passes(100)
    assert exchange.calls(begun).outcome == "coming"
    assert not exchange.looks(begun).next_call().allowed
    assert len(exchange.looks(begun).calls) == 1


def test_an_unknown_call_that_can_not_be_live_is_not_enough(exchange: Exchange) -> None:
    """After ``live_until`` a further one comes."""
    begun = exchange.begins()
    exchange.dials()
    exchange.passes(166)
    assert calls_in(exchange.calls(begun)) == [CallStatus.UNKNOWN, CallStatus.QUEUED]


def test_too_late(exchange: Exchange) -> None:
    """Less than the margin of its life is left: refused, as ``next_call`` had told."""
    begun = called_once(exchange)
    exchange.passes(181)
    assert exchange.looks(begun).next_call().reason == "too_late"
    refused = exchange.calls(begun)
    assert refused.outcome == "too_late"
    assert calls_in(refused) == [CallStatus.BUSY]


def test_a_gap_that_ends_too_late_is_too_late(exchange: Exchange) -> None:
    """Judged by the moment when it would be dialed."""
    begun = called_once(exchange)
    for _ in range(2):
        exchange.calls(begun)
        exchange.finds_busy()
        exchange.passes(60)
    assert exchange.calls(begun).outcome == "too_late"
    assert exchange.looks(begun).next_call().reason == "too_late"


def test_no_call_for_another_client(exchange: Exchange) -> None:
    """As with an unknown id."""
    begun = called_once(exchange)
    for verification_id, client in ((begun.id, "bank"), ("vrf_unknown", "login")):
        answer = exchange.store.request_call(verification_id, client, new_call())
        assert (answer.outcome, answer.verification) == ("not_found", None)
    assert exchange.finds_nothing() == -1


def test_no_call_for_what_has_ended(exchange: Exchange) -> None:
    """It is closed."""
    begun = called_once(exchange)
    exchange.cancels(begun)
    assert exchange.calls(begun).outcome == "closed"
    assert exchange.finds_nothing() == -1


def test_refused_when_nobody_dials(exchange: Exchange) -> None:
    """No dialer was heard of for 30 s; with one again, it is taken."""
    begun = called_once(exchange)
    exchange.passes(31, dialer=None)
    assert exchange.calls(begun).outcome == "calls_unavailable"
    exchange.sweeps()
    assert exchange.calls(begun).outcome == "coming"


def test_refused_when_too_many_wait(exchange: Exchange) -> None:
    """Another number's call has been due for more than a minute."""
    begun = called_once(exchange)
    exchange.begins(RAVI)
    exchange.passes(61)
    assert exchange.calls(begun).outcome == "over_capacity"


def test_what_next_call_tells_is_what_happens(exchange: Exchange) -> None:
    """At any moment of a verification's life, with or without calls."""
    begun = exchange.begins(call_after=20)
    said = set()
    for second in range(0, 300, 7):
        seen = exchange.looks(begun)
        told = seen.next_call()
        if second % 3:
            answer = exchange.calls(begun)
            assert answer.verification
            assert (answer.verification.calls != seen.calls) is told.allowed
            assert told.allowed == (answer.outcome == "coming") or told.reason == "call_in_progress"
            said.add((answer.outcome, told.reason))
        claim = exchange.store.claim(200)
        if not isinstance(claim, int) and exchange.marks(claim):
            exchange.store.record(claim, CallResult(CallStatus.PLACED))
        elif second % 5 == 0:
            exchange.hears(CallStatus.BUSY, call_id=seen.calls[-1].id)
        exchange.passes(7)
    assert said == {
        ("coming", None),
        ("coming", "call_gap"),
        ("coming", "call_in_progress"),
        ("too_late", "too_late"),
    }
