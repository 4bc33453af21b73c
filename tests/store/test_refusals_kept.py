"""What was refused to a number is kept for operators: the newest twenty, for a day."""

import pytest
from redis import Redis
from store.exchange import NUMBERS, RAVI, Exchange, limited, quotas_of, telephone
from store.limit_cases import DAY, NO_GAP
from world import ASHA

from otpvoice.core.verification import CallStatus
from otpvoice.store.admin import Refusal


@pytest.fixture
def exchange(redis: Redis) -> Exchange:
    """One call in a week for a number, and three wrong codes."""
    return limited(
        redis,
        gaps=NO_GAP,
        rules={"max_redials": 1},
        calls_per_number=quotas_of("1/7d"),
        wrong_codes_per_number=quotas_of("3/7d"),
    )


def refusals(exchange: Exchange, to: str = ASHA) -> tuple[Refusal, ...]:
    """As operators see them."""
    return exchange.explains(to).refusals


def test_a_refused_create_is_kept(exchange: Exchange) -> None:
    """When, for whom, the name of its reference, and by which limit; it is no verification."""
    exchange.begins()
    assert exchange.asks(client="bank", reference="login-81").outcome.startswith("rate_limited")
    [kept] = refusals(exchange)
    assert kept == Refusal(
        at=kept.at,
        client="bank",
        limit="calls_per_number",
        reference=NUMBERS.hash_attribute("reference", "login-81"),
    )
    assert abs(kept.at - exchange.explains().now) < 5_000
    operations = exchange.operations
    assert len(operations.find_by_number(telephone(ASHA), "root")) == 1
    assert not operations.find_by_reference(kept.reference, "root")


def test_a_refused_call_and_check_are_kept(exchange: Exchange) -> None:
    """With their verification; a redial that was not to be was refused to nobody."""
    begun = exchange.begins()
    exchange.finds_busy()
    assert not refusals(exchange)
    exchange.calls(begun)
    for code in ("999991", "999992", "999993", "999994"):
        exchange.checks(begun, code)
    check, call = refusals(exchange)
    assert (call.verification, call.client, call.limit) == (begun.id, "login", "calls_per_number")
    assert (check.verification, check.limit) == (begun.id, "wrong_codes_per_number")
    assert len(exchange.looks(begun).calls) == 1


def test_a_gap_that_leaves_no_time_is_kept(redis: Redis) -> None:
    """It refuses as a limit does."""
    exchange = limited(redis, gaps=(300,))
    begun = exchange.begins()
    exchange.finds_busy()
    exchange.cancels(begun)
    assert exchange.asks().outcome == "call_gap"
    assert [each.limit for each in refusals(exchange)] == ["call_gap"]


def test_a_block_is_kept(exchange: Exchange) -> None:
    """Who asks is not told more than that it refuses; operators see how often."""
    exchange.operations.block(telephone(ASHA), 3_600, "root")
    exchange.asks()
    assert [each.limit for each in refusals(exchange)] == ["block"]


def test_what_no_limit_refused_is_not_kept(redis: Redis) -> None:
    """A dialer that is away, an ended verification and a wrong code say nothing of a number."""
    exchange = limited(redis)
    begun = exchange.begins()
    exchange.checks(begun, "999999")
    exchange.cancels(begun)
    exchange.calls(begun)
    exchange.passes(40, dialer=None)
    assert exchange.asks().outcome == "calls_unavailable"
    assert not refusals(exchange)


def test_each_number_has_its_own(exchange: Exchange) -> None:
    """The newest first; another number's are not among them."""
    exchange.begins()
    for client in ("bank", "shop"):
        exchange.asks(client=client)
    exchange.begins(RAVI)
    assert [each.client for each in refusals(exchange)] == ["shop", "bank"]
    assert not refusals(exchange, RAVI)


def test_the_newest_twenty_are_kept(exchange: Exchange, redis: Redis) -> None:
    """However many there are."""
    exchange.begins()
    for n in range(30):
        exchange.asks(client=f"client {n}")
    assert [each.client for each in refusals(exchange)] == [f"client {n}" for n in range(29, 9, -1)]
    assert sum(redis.llen(key) for key in redis.scan_iter("*:refusals:*")) == 20


def test_they_are_kept_for_a_day(exchange: Exchange) -> None:
    """Each by itself: a newer one keeps no older one longer."""
    exchange.begins()
    exchange.finds_busy()
    exchange.asks(client="old")
    exchange.passes(DAY - 60)
    exchange.asks(client="new")
    assert [each.client for each in refusals(exchange)] == ["new", "old"]
    exchange.passes(61)
    assert [each.client for each in refusals(exchange)] == ["new"]
    exchange.passes(DAY)
    assert not refusals(exchange)


def test_the_overview_counts_the_last_hour(exchange: Exchange) -> None:
    """By setting, whatever its windows, over all numbers."""
    for to in (ASHA, RAVI):
        exchange.begins(to)
        exchange.asks(to, client="bank")
    exchange.operations.block(telephone(RAVI), 3_600, "root")
    exchange.asks(RAVI, client="shop")
    refused = exchange.operations.overview().refused
    assert {name: count for name, count in refused.items() if count} == {
        "calls_per_number": 2, "block": 1
    }  # fmt: skip
    exchange.passes(3_661)
    assert not any(exchange.operations.overview().refused.values())


def test_a_busy_phone_is_no_refusal(redis: Redis) -> None:
    """What the telephone company says is not kept here."""
    exchange = limited(redis)
    exchange.begins()
    exchange.finds_busy()
    assert not refusals(exchange)
    assert exchange.looks(exchange.begins(RAVI)).calls[0].status is CallStatus.QUEUED
