"""Two processes with different limits on one store, as during every deployment."""

import pytest
from redis import Redis
from store.builders import parse_quotas, process
from store.driver import RAVI
from store.new_verifications import CODE

from otpvoice.core.limits import ClientLimits, parse_ratio

SHORT, LONG = "2/10m", "2/24h"


@pytest.mark.parametrize("setting", ["calls_per_number", "all_calls_per_number"])
@pytest.mark.parametrize(("first", "second"), [(SHORT, LONG), (LONG, SHORT)])
def test_number_limit_with_another_window_counts_the_calls_of_all(
    redis: Redis, setting: str, first: str, second: str
) -> None:
    """Calls to a number are stored one by one."""
    one = process(redis, **{setting: parse_quotas(first)})
    other = process(redis, **{setting: parse_quotas(second)})
    for n in range(2):
        one.create(reference=f"login {n}")
        one.dial_busy()
    assert other.try_create(reference="login 2").outcome == f"rate_limited {setting}"
    assert one.try_create(reference="login 2").outcome == f"rate_limited {setting}"


def test_number_limit_that_is_added_counts_the_calls_before_it(redis: Redis) -> None:
    """A process without the limit does not apply it."""
    without = process(redis, all_calls_per_number=(), calls_per_number=())
    added = process(redis, all_calls_per_number=parse_quotas("1/24h"), calls_per_number=())
    without.create()
    without.dial_busy()
    assert added.try_create(reference="2").outcome == "rate_limited all_calls_per_number"
    assert without.try_create(reference="2").outcome == "created"


@pytest.mark.parametrize("setting", ["calls_per_ip", "unverified_per_prefix"])
def test_shared_limit_with_another_window_counts_the_calls_of_all(
    redis: Redis, setting: str
) -> None:
    """Members of an address or a prefix are stored one by one."""
    one = process(redis, **{setting: parse_quotas("9/10m")})
    other = process(redis, **{setting: parse_quotas("1/24h")})
    assert one.try_create(ip="10.0.0.1").outcome == "created"
    assert other.try_create("+919876543299", ip="10.0.0.1").outcome == f"rate_limited {setting}"


def test_client_limit_with_another_count_shares_its_counter(redis: Redis) -> None:
    """The count of a limit may change at any time."""
    one = process(redis, clients={"login": ClientLimits(calls=parse_quotas("9/1m"))})
    other = process(redis, clients={"login": ClientLimits(calls=parse_quotas("2/1m"))})
    one.create()
    one.create(RAVI)
    assert other.try_create("+919822222222").outcome == "rate_limited calls_per_client"


def test_client_limit_with_another_window_counts_for_itself(redis: Redis) -> None:
    """Counters belong to a window: meanwhile a client may use both limits."""
    one = process(redis, clients={"login": ClientLimits(calls=parse_quotas("1/1m"))})
    other = process(redis, clients={"login": ClientLimits(calls=parse_quotas("1/2m"))})
    one.create()
    assert other.try_create(RAVI).outcome == "created"
    for each in (one, other):
        assert each.try_create("+919822222222").outcome == "rate_limited calls_per_client"


def test_client_limit_that_the_dialer_lacks_refuses_no_queued_call(redis: Redis) -> None:
    """The dialer leaves the counters of the client alone."""
    api = process(redis, clients={"login": ClientLimits(calls=parse_quotas("1/1m"))})
    begun = api.create()
    assert process(redis).dial().verification_id == begun.id
    assert api.try_create(RAVI).outcome == "rate_limited calls_per_client"


def test_wrong_codes_with_another_window_count_for_themselves(redis: Redis) -> None:
    """Meanwhile guesses are bounded by the sum of both settings."""
    one = process(redis, wrong_codes_per_number=parse_quotas("2/1h"))
    other = process(redis, wrong_codes_per_number=parse_quotas("1/24h"))
    begun = one.create(own_code=True)
    assert other.check(begun, "000000").outcome == "wrong"
    assert other.check(begun, "000001").outcome == "rate_limited wrong_codes_per_number"
    assert one.check(begun, "000001").outcome == "wrong"
    assert one.check(begun, "000002").outcome == "wrong"
    assert one.check(begun, "000003").outcome == "rate_limited wrong_codes_per_number"


@pytest.mark.parametrize("setting", ["creates_per_ip", "creates_per_client"])
@pytest.mark.parametrize(("smaller", "outcome"), [("1/1h", "rate_limited {}"), ("1/2h", "created")])
def test_limit_of_creates_shares_its_counter_only_within_one_window(
    redis: Redis, setting: str, smaller: str, outcome: str
) -> None:
    """Another count is shared, another window starts at 0."""
    one = process(redis, "login", **{setting: parse_quotas("9/1h")})
    other = process(redis, "login", **{setting: parse_quotas(smaller)})
    one.try_create(ip="10.0.0.1")
    assert other.try_create(RAVI, ip="10.0.0.1").outcome == outcome.format(setting)


def test_pending_per_number_is_that_of_the_process_that_creates(redis: Redis) -> None:
    """The smaller bound supersedes, the larger one leaves all pending."""
    small, large = (process(redis, "login", pending_per_number=most) for most in (1, 5))
    first = large.create(reference="1", call_after=100)
    for each in (large, small):
        each.advance_time(1)
    large.create(reference="2", call_after=100)
    assert large.get(first).status == "pending"
    small.create(reference="3", call_after=100)
    assert large.get(first).status == "canceled"


def test_attempts_per_verification_is_that_of_the_process_that_queues_the_call(
    redis: Redis,
) -> None:
    """A further call is refused there; any dialer dials a queued one."""
    small, large = (process(redis, attempts_per_verification=most) for most in (1, 2))
    begun = large.create()
    large.dial_busy()
    assert small.request_call(begun).outcome == "rate_limited attempts_per_verification"
    assert large.request_call(begun).outcome == "coming"
    assert small.dial().verification_id == begun.id


def test_approval_clears_wrong_codes_is_that_of_the_process_that_checks(
    redis: Redis,
) -> None:
    """The counter is shared."""
    limit = {"wrong_codes_per_number": parse_quotas("3/1h")}
    keeps = process(redis, **limit)
    clears = process(redis, approval_clears_wrong_codes=True, **limit)
    for each, left in ((keeps, 1), (clears, 0)):
        begun = each.create(reference=f"{left}", own_code=True)
        if left:
            each.check(begun, "000000")
        assert each.check(begun, CODE).outcome == "right"
        assert len([*redis.scan_iter("{otpvoice}:counter:wrong *")]) == left


def test_open_breaker_refuses_at_processes_that_have_it_off(redis: Redis) -> None:
    """It closes after its time wherever it opened."""
    on = process(redis, conversion_breaker=parse_ratio("15%/1h"))
    off = process(redis, conversion_breaker=None)
    redis.zadd("{otpvoice}:breakers", {"conversion_breaker area +919876": 2e13})
    redis.expire("{otpvoice}:breakers", 1000)
    for each in (on, off):
        assert each.try_create().outcome == "rate_limited conversion_breaker"
