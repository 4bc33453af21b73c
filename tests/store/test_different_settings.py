"""Two processes with different settings on one store, as during every deployment.

One row of docs/rolling-out-settings.md each. What a dialer needs is tested in
tests/dialer/test_undialable.py.
"""

from typing import Any

import pytest
from msgspec import structs
from redis import Redis
from store.exchange import CODE, NUMBERS, RAVI, Exchange, limited, new_call, quotas_of
from world import ASHA, BRIDGE

from otpvoice.core.limits import ClientLimits, parse_ratio
from otpvoice.core.verification import CallReason, CallStatus, Route
from otpvoice.store.models import CallResult, News

DAY_MS = 86_400_000
OTHER_BRIDGE = "918068289999"
REFUSED = CallResult(CallStatus.FAILED, CallReason.REFUSED, unsent=True, next_route=Route.C2C)
SHORT, LONG = "2/10m", "2/24h"


def process(redis: Redis, *clients: str, **settings: Any) -> Exchange:
    """A process whose settings have these clients."""
    names = ("routes", "max_redials", "callback_timeout", "told")
    rules = {name: settings.pop(name) for name in names if name in settings}
    own = {name: ClientLimits() for name in clients}
    return limited(redis, gaps=(0,), rules=rules, **{"clients": own, **settings})


def is_called(exchange: Exchange, dialer: Exchange, to: str = ASHA) -> None:
    """A create at one process and a call by the other."""
    begun = exchange.begins(to)
    assert dialer.dials().verification_id == begun.id


# Clients and their events ------------------------------------------------------------------------


@pytest.fixture
def old(redis: Redis) -> Exchange:
    """A process without the client ``login``."""
    return process(redis)


@pytest.fixture
def new(redis: Redis) -> Exchange:
    """A process with it, and with an address for its events."""
    return process(redis, "login", told=frozenset({"login"}))


def test_event_of_a_client_that_the_dialer_lacks_waits_for_one_that_has_it(
    old: Exchange, new: Exchange
) -> None:
    """Changes made by any process are written, seen by operators, and delivered later."""
    begun = new.begins()
    claim = old.dials()
    old.hears(CallStatus.ANSWERED, call_id=claim.call_id)
    old.passes(301)
    new.passes(301)
    assert old.store.take_events({}).events == ()
    seen = new.operations.overview()
    assert seen.events == {"login": 3}
    assert seen.events_overdue["login"] >= 300_000
    types = {each.type for each in new.store.take_events({"login": 10}).events}
    assert types == {"call.placed", "call.answered", "verification.expired"}
    assert new.looks(begun).status == "expired"


def test_event_is_written_by_a_dialer_that_learned_of_the_address_first(
    old: Exchange, new: Exchange
) -> None:
    """Deployed in the other order, nothing is lost either."""
    old.begins()
    new.dials()
    (event,) = new.store.take_events({"login": 10}).events
    assert event.type == "call.placed"


def test_events_of_a_removed_client_end_after_a_day(
    old: Exchange, new: Exchange, redis: Redis
) -> None:
    """No process takes them, so that no process tries them; their keys expire."""
    new.cancels(new.begins())
    assert old.store.take_events({}).events == ()
    kept = [*redis.scan_iter("{otpvoice}:event*")]
    assert len(kept) == 3
    assert all(0 < redis.pttl(key) <= DAY_MS for key in kept)


def test_event_that_is_gone_leaves_the_index(new: Exchange, redis: Redis) -> None:
    """An index that lives longer than its members is cleaned when it is read."""
    new.cancels(new.begins())
    redis.delete(*redis.scan_iter("{otpvoice}:event:*"))
    assert new.store.take_events({"login": 10}).events == ()
    assert new.operations.overview().events == {"login": 0}


def test_call_of_a_removed_client_is_dialed(old: Exchange, new: Exchange) -> None:
    """What was answered 201 stays true."""
    is_called(new, old)


def test_deliver_only_holds_for_what_was_begun_under_it(redis: Redis) -> None:
    """The verifications of a client that never reports count in no limit of approvals."""
    deliver_only = {"login": ClientLimits(deliver_only=True)}
    breaker = {"conversion_breaker": parse_ratio("15%/1h"), "calls_per_ip": quotas_of("30/1h")}
    api, dialer = process(redis, clients=deliver_only, **breaker), process(redis, **breaker)
    for n in range(25):
        begun = api.asks(f"+9198765{n:05}", ip="10.0.0.1").verification
        assert begun
        claim = dialer.dials()
        dialer.hears(CallStatus.ANSWERED, call_id=claim.call_id, to=f"+9198765{n:05}")
    assert not [*redis.scan_iter("{otpvoice}:ip:*")]
    assert not [*redis.scan_iter("{otpvoice}:prefix:*")]
    dialer.passes(301)
    assert dialer.store.health().breakers == ()


# Routes, redials, timeouts -----------------------------------------------------------------------


def test_route_that_only_the_api_has_is_dialed(redis: Redis) -> None:
    """A dialer dials by each route it has an adapter for, not only by those in its order."""
    api, dialer = process(redis), process(redis, routes=(Route.OBD,))
    api.asks(route=Route.C2C)
    assert dialer.claims().route is Route.C2C


def test_call_that_follows_another_has_its_flow(redis: Redis) -> None:
    """A redial and the next route, also in a language that is not the verification's."""
    api, dialer = process(redis, max_redials=1), process(redis, max_redials=1)
    begun = api.begins(call_after=100)
    first = structs.replace(new_call(), locale="ta", flow="77")
    api.store.request_call(begun.id, "login", first)
    claim = dialer.claims()
    assert dialer.marks(claim)
    dialer.records(claim, REFUSED)
    following = dialer.dials()
    dialer.hears(CallStatus.BUSY, call_id=following.call_id)
    redial = dialer.claims()
    claims = (claim, following, redial)
    assert [(each.locale, each.flow_id) for each in claims] == [("ta", "77")] * 3
    assert len({each.call_id for each in claims}) == 3


@pytest.mark.parametrize(
    ("routes", "following"),
    [((Route.OBD,), Route.OBD), ((Route.C2C, Route.OBD), Route.C2C)],
    ids=["removed", "reordered"],
)
def test_redial_goes_by_the_order_of_the_process_that_hears_of_the_end(
    redis: Redis, routes: tuple[Route, ...], following: Route
) -> None:
    """Also when that process does not have the route of the call."""
    api, other = process(redis, max_redials=1), process(redis, routes=routes, max_redials=1)
    begun = api.begins()
    claim = api.dials()
    other.hears(CallStatus.BUSY, call_id=claim.call_id)
    first, second = api.looks(begun).calls
    assert (first.route, second.route) == (Route.OBD, following)


def test_route_closed_for_one_process_is_closed_for_all(redis: Redis) -> None:
    """A process that does not have the route does not care."""
    both, one = process(redis), process(redis, routes=(Route.C2C,))
    both.begins()
    claim = both.claims()
    both.records(claim, CallResult(CallStatus.FAILED, CallReason.ROUTE_DOWN, verdict="down"))  # type: ignore[arg-type]
    assert both.store.health().closed_routes == (Route.OBD,)
    assert one.store.health().closed_routes == ()
    assert one.asks(RAVI).outcome == "created"


@pytest.mark.parametrize(("redials", "calls"), [((1, 0), 1), ((0, 1), 2), ((1, 2), 3)])
def test_max_redials_is_that_of_the_process_that_hears_of_the_end(
    redis: Redis, redials: tuple[int, int], calls: int
) -> None:
    """There are never more than the larger of both settings allows."""
    api, other = (process(redis, max_redials=most) for most in redials)
    begun = api.begins()
    for _ in range(4):
        claim = other.store.claim(200)
        if isinstance(claim, int):
            break
        assert other.marks(claim)
        other.records(claim, CallResult(CallStatus.PLACED))
        other.hears(CallStatus.BUSY, call_id=claim.call_id)
    assert len(api.looks(begun).calls) == calls


def test_callback_timeout_is_that_of_the_dialer_that_placed_the_call(redis: Redis) -> None:
    """Any dialer asks the provider when it is over."""
    short, long = process(redis, callback_timeout=30_000), process(redis, callback_timeout=90_000)
    short.begins()
    short.dials()
    for each in (short, long):
        each.passes(31)
    assert len(long.pulls()) == 1


def test_live_calls_is_that_of_the_dialer_that_claims(redis: Redis) -> None:
    """The dialer with the smaller bound waits, the other goes on."""
    api = process(redis)
    for to in (ASHA, RAVI):
        api.begins(to)
    api.dials()
    wait = api.store.claim(1)
    assert isinstance(wait, int)
    assert wait > 0
    assert not isinstance(api.store.claim(2), int)


# Limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["calls_per_number", "all_calls_per_number"])
@pytest.mark.parametrize(("first", "second"), [(SHORT, LONG), (LONG, SHORT)])
def test_number_limit_with_another_window_counts_the_calls_of_all(
    redis: Redis, setting: str, first: str, second: str
) -> None:
    """Calls to a number are known one by one, so that any window counts them."""
    one = process(redis, **{setting: quotas_of(first)})
    other = process(redis, **{setting: quotas_of(second)})
    for n in range(2):
        one.begins(reference=f"login {n}")
        one.finds_busy()
    assert other.asks(reference="login 2").outcome == f"rate_limited {setting}"
    assert one.asks(reference="login 2").outcome == f"rate_limited {setting}"


def test_number_limit_that_is_added_counts_the_calls_before_it(redis: Redis) -> None:
    """A process without the limit is not held by it."""
    without = process(redis, all_calls_per_number=(), calls_per_number=())
    added = process(redis, all_calls_per_number=quotas_of("1/24h"), calls_per_number=())
    without.begins()
    without.finds_busy()
    assert added.asks(reference="2").outcome == "rate_limited all_calls_per_number"
    assert without.asks(reference="2").outcome == "created"


@pytest.mark.parametrize("setting", ["calls_per_ip", "unverified_per_prefix"])
def test_shared_limit_with_another_window_counts_the_calls_of_all(
    redis: Redis, setting: str
) -> None:
    """Who is in the window of an address or a prefix is known one by one, too."""
    one = process(redis, **{setting: quotas_of("9/10m")})
    other = process(redis, **{setting: quotas_of("1/24h")})
    assert one.asks(ip="10.0.0.1").outcome == "created"
    assert other.asks("+919876543299", ip="10.0.0.1").outcome == f"rate_limited {setting}"


def test_client_limit_with_another_count_shares_its_counter(redis: Redis) -> None:
    """The count of a limit may change at any time."""
    one = process(redis, clients={"login": ClientLimits(calls=quotas_of("9/1m"))})
    other = process(redis, clients={"login": ClientLimits(calls=quotas_of("2/1m"))})
    one.begins()
    one.begins(RAVI)
    assert other.asks("+919822222222").outcome == "rate_limited calls_per_client"


def test_client_limit_with_another_window_counts_for_itself(redis: Redis) -> None:
    """Counters belong to a window: while both run, a client may use up both limits."""
    one = process(redis, clients={"login": ClientLimits(calls=quotas_of("1/1m"))})
    other = process(redis, clients={"login": ClientLimits(calls=quotas_of("1/2m"))})
    one.begins()
    assert other.asks(RAVI).outcome == "created"
    for each in (one, other):
        assert each.asks("+919822222222").outcome == "rate_limited calls_per_client"


def test_client_limit_that_the_dialer_lacks_refuses_no_queued_call(redis: Redis) -> None:
    """The dialer dials what the API took on, and leaves the counters of the client alone."""
    api = process(redis, clients={"login": ClientLimits(calls=quotas_of("1/1m"))})
    is_called(api, process(redis))
    assert api.asks(RAVI).outcome == "rate_limited calls_per_client"


def test_wrong_codes_with_another_window_count_for_themselves(redis: Redis) -> None:
    """While both run, guesses are bounded by the sum of both settings."""
    one = process(redis, wrong_codes_per_number=quotas_of("2/1h"))
    other = process(redis, wrong_codes_per_number=quotas_of("1/24h"))
    begun = one.begins(own_code=True)
    assert other.checks(begun, "000000").outcome == "wrong"
    assert other.checks(begun, "000001").outcome == "rate_limited wrong_codes_per_number"
    assert one.checks(begun, "000001").outcome == "wrong"
    assert one.checks(begun, "000002").outcome == "wrong"
    assert one.checks(begun, "000003").outcome == "rate_limited wrong_codes_per_number"


@pytest.mark.parametrize("setting", ["creates_per_ip", "creates_per_client"])
@pytest.mark.parametrize(("smaller", "outcome"), [("1/1h", "rate_limited {}"), ("1/2h", "created")])
def test_limit_of_creates_shares_its_counter_only_within_one_window(
    redis: Redis, setting: str, smaller: str, outcome: str
) -> None:
    """As for the other counters: another count is shared, another window begins at 0."""
    one = process(redis, "login", **{setting: quotas_of("9/1h")})
    other = process(redis, "login", **{setting: quotas_of(smaller)})
    one.asks(ip="10.0.0.1")
    assert other.asks(RAVI, ip="10.0.0.1").outcome == outcome.format(setting)


def test_pending_per_number_is_that_of_the_process_that_creates(redis: Redis) -> None:
    """The smaller bound supersedes, the larger one leaves all pending."""
    small, large = (process(redis, "login", pending_per_number=most) for most in (1, 5))
    first = large.begins(reference="1", call_after=100)
    for each in (large, small):
        each.passes(1)
    large.begins(reference="2", call_after=100)
    assert large.looks(first).status == "pending"
    small.begins(reference="3", call_after=100)
    assert large.looks(first).status == "canceled"


def test_attempts_per_verification_is_that_of_the_process_that_queues_the_call(
    redis: Redis,
) -> None:
    """A further call is refused where it is asked for; a queued one is dialed by any dialer."""
    small, large = (process(redis, attempts_per_verification=most) for most in (1, 2))
    begun = large.begins()
    large.finds_busy()
    assert small.calls(begun).outcome == "rate_limited attempts_per_verification"
    assert large.calls(begun).outcome == "coming"
    assert small.dials().verification_id == begun.id


def test_approval_clears_wrong_codes_where_the_process_that_checks_is_set_so(
    redis: Redis,
) -> None:
    """The counter is shared."""
    limit = {"wrong_codes_per_number": quotas_of("3/1h")}
    keeps = process(redis, **limit)
    clears = process(redis, approval_clears_wrong_codes=True, **limit)
    for each, left in ((keeps, 1), (clears, 0)):
        begun = each.begins(reference=f"{left}", own_code=True)
        if left:
            each.checks(begun, "000000")
        assert each.checks(begun, CODE).outcome == "right"
        assert len([*redis.scan_iter("{otpvoice}:tally:wrong *")]) == left


def test_open_breaker_refuses_at_processes_that_have_it_off(redis: Redis) -> None:
    """It closes after its time wherever it was opened."""
    on = process(redis, conversion_breaker=parse_ratio("15%/1h"))
    off = process(redis, conversion_breaker=None)
    redis.zadd("{otpvoice}:breakers", {"conversion_breaker area +919876": 2e13})
    redis.expire("{otpvoice}:breakers", 1000)
    for each in (on, off):
        assert each.asks().outcome == "rate_limited conversion_breaker"


# What the record decides -------------------------------------------------------------------------


def test_life_of_a_code_is_that_of_the_process_that_began_it(old: Exchange, new: Exchange) -> None:
    """Its length, checks, life and retention stand in the record."""
    begun = new.asks(ttl=120, max_checks=2, code="0123", own_code=True).verification
    assert begun
    found = old.looks(begun)
    assert found.expires_at - found.created_at == 120_000
    assert (found.checks_left, found.code_length) == (2, 4)
    old.checks(begun, "9999")
    old.checks(begun, "9998")
    assert new.looks(begun).status == "max_attempts_reached"


@pytest.mark.parametrize("lacks", ["api", "dialer"])
def test_test_number_is_that_of_the_process_that_began_it(
    old: Exchange, new: Exchange, lacks: str
) -> None:
    """A dialer never calls the number of a verification that was begun as a test."""
    new.begins(is_test=lacks == "dialer")
    assert old.claims().is_test is (lacks == "dialer")


# Callbacks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bridges", [(), (BRIDGE,)])
def test_callback_without_bridge_finds_a_call_over_a_bridge_of_other_settings(
    old: Exchange, new: Exchange, bridges: tuple[str, ...]
) -> None:
    """The API that hears of it does not have the client whose bridge it is."""
    begun = new.begins(bridge=OTHER_BRIDGE)
    new.dials()
    sent_at = new.call_of(begun).sent_at
    settled = old.hears(
        CallStatus.BUSY, bridges=bridges, number=NUMBERS.hash(ASHA), started_at=sent_at
    )
    assert settled.news is News.APPLIED
    assert new.call_of(begun).status is CallStatus.BUSY


def test_callback_without_bridge_means_no_call_that_is_over(old: Exchange, new: Exchange) -> None:
    """Only a live call of the person can be meant."""
    begun = new.begins(bridge=OTHER_BRIDGE)
    claim = new.dials()
    new.hears(CallStatus.BUSY, call_id=claim.call_id)
    settled = old.hears(
        CallStatus.ANSWERED, number=NUMBERS.hash(ASHA), started_at=new.call_of(begun).sent_at
    )
    assert settled.news is News.NO_CALL


def test_callback_by_id_needs_no_number_key(old: Exchange, new: Exchange) -> None:
    """Numbers have other names under another key; ids have not."""
    new.begins()
    claim = new.dials()
    settled = old.hears(CallStatus.BUSY, call_id=claim.call_id, number="another name", bridges=())
    assert settled.news is News.APPLIED
