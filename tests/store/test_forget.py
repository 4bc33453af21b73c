"""Forget: what is known of a number is erased, except what limits count."""

import pytest
from redis import Redis
from store.builders import driver_with_limits, parse_quotas
from store.driver import RAVI, StoreDriver, number_identity
from store.limit_cases import ADDRESS, GENEROUS, HOUR, NO_GAP, limit_usage, refusing
from store.new_verifications import CODE, NUMBERS
from store.quarantine_cases import PREFIX
from support.service import ASHA

from otpvoice.core.limits import ClientLimits, LimitStatus
from otpvoice.core.verification import CallReason, CallStatus, EndReason, Status
from otpvoice.store.models import CallResult

PHONE = number_identity(ASHA)


def test_forget_erases_verifications_calls_and_refusals(redis: Redis) -> None:
    """Ended or pending, of every client; another number's stay."""
    driver = driver_with_limits(redis, gaps=NO_GAP, calls_per_number=parse_quotas("2/1h"))
    driver.create()
    driver.dial(CallResult(CallStatus.PLACED, provider_id="their id"))
    driver.cancel(driver.create(client="bank"))
    pending = driver.create(client="bank", call_after=100)
    other = driver.create(RAVI)
    refusing(driver.try_create(client="shop"))
    assert driver.admin.forget(PHONE, "root") == 3
    kinds = ("verification", "call", "provider", "refusals")
    left = [key for kind in kinds for key in redis.scan_iter(f"*:{kind}:*")]
    assert len(left) == 2
    assert driver.get(other).status is Status.PENDING
    assert driver.store.get(pending.id, "bank").outcome == "not_found"
    assert driver.admin.find_by_number(PHONE, "root") == []
    assert driver.claim().verification_id == other.id
    driver.sweep()
    [entry] = [notice for notice in driver.audit_entries if notice.event == "number.erased"]
    assert (entry.details["verifications"], entry.details["operator"]) == (3, "root")


@pytest.mark.parametrize("is_readable", [True, False])
def test_forget_erases_exchanges_of_live_tests(
    driver: StoreDriver, redis: Redis, *, is_readable: bool
) -> None:
    """They have the number. A live test whose record cannot be read is erased, too."""
    begun = driver.create(is_live_test=True)
    driver.store.capture(begun.calls[0].id, b"sealed")
    if not is_readable:
        redis.hset(f"{PREFIX}verification:{begun.id}", "status", "open")
        assert driver.store.get(begun.id, "login").outcome == "not_found"
    assert driver.admin.forget(PHONE, "root") == 1
    assert not [*redis.scan_iter("*:captured:*")]


@pytest.mark.parametrize("kind", ["verification", "call", "number"])
def test_forget_erases_a_record_that_it_cannot_read(
    driver: StoreDriver, redis: Redis, kind: str
) -> None:
    """Nobody had read it since it broke, so it was not in the quarantine yet."""
    begun = driver.create()
    name = {"verification": begun.id, "call": begun.calls[0].id, "number": NUMBERS.hash(ASHA)}[kind]
    field = "gap_until" if kind == "number" else "status"
    redis.hset(f"{PREFIX}{kind}:{name}", field, "broken")
    assert driver.admin.forget(PHONE, "root") == 1
    left = [key for each in ("verification", "call") for key in redis.scan_iter(f"*:{each}:*")]
    assert left == []
    assert not [*redis.scan_iter("*:quarantined:*")]


def counted(driver: StoreDriver) -> list[LimitStatus]:
    """Return the used limits, without pending verifications."""
    return [use for use in limit_usage(driver) if use.limit != "pending_per_number"]


def test_forget_keeps_counters_of_limits(redis: Redis) -> None:
    """Calls, wrong codes, gap, prefix and address."""
    driver = driver_with_limits(
        redis, **GENEROUS | {"calls_per_number": parse_quotas("1/1h"), "calls_per_day": 1}
    )
    begun = driver.create(ip=ADDRESS)
    driver.dial_busy()
    driver.check(begun, "999999")
    before, gap_until = counted(driver), driver.explain().gap_until_ms
    driver.admin.forget(PHONE, "root")
    assert counted(driver) == before
    assert driver.explain().gap_until_ms == gap_until
    assert driver.try_create(client="bank").outcome.startswith("rate_limited")


def test_approval_after_forget_releases_capacity(redis: Redis) -> None:
    driver = driver_with_limits(redis, gaps=NO_GAP, calls_per_number=parse_quotas("2/1h"))
    driver.create()
    driver.dial_busy()
    driver.admin.forget(PHONE, "root")
    driver.approve(driver.create())
    for client in ("login", "bank"):
        driver.create(client=client)


def test_forget_cancels_pending_verifications(redis: Redis) -> None:
    """Their queued calls release capacity; a placed call cannot be recalled."""
    driver = driver_with_limits(redis, gaps=NO_GAP, calls_per_number=parse_quotas("2/1h"))
    driver.create()
    placed = driver.dial()
    driver.create(client="bank")
    driver.admin.forget(PHONE, "root")
    assert next(use.used for use in limit_usage(driver) if use.limit == "calls_per_number") == 1
    assert driver.apply_callback(CallStatus.BUSY, call_id=placed.call_id).call_id is None
    driver.advance_time(200)
    assert driver.seconds_until_due() == -1


def test_result_after_forget_is_not_recorded(redis: Redis) -> None:
    driver = driver_with_limits(redis, gaps=NO_GAP)
    driver.create()
    claim = driver.claim()
    assert driver.mark_sent(claim)
    driver.admin.forget(PHONE, "root")
    assert driver.record(claim, CallResult(CallStatus.PLACED, provider_id="id")).status is None
    driver.advance_time(200)
    for kind in ("verification", "call", "provider"):
        assert not list(redis.scan_iter(f"*:{kind}:*"))


def test_check_of_erased_verification_returns_not_found(redis: Redis) -> None:
    driver = driver_with_limits(redis, clients={"login": ClientLimits()})
    begun = driver.create()
    driver.admin.forget(PHONE, "root")
    assert driver.check(begun, CODE).outcome == "not_found"
    assert driver.try_create().outcome == "created"


def test_second_forget_erases_nothing(redis: Redis) -> None:
    driver = driver_with_limits(redis)
    begun = driver.create()
    driver.close(begun, Status.CANCELED, EndReason.REQUESTED)
    assert driver.admin.forget(PHONE, "root") == 1
    assert driver.admin.forget(PHONE, "root") == 0


def test_window_of_erased_number_lasts_to_its_end(redis: Redis) -> None:
    driver = driver_with_limits(redis, gaps=NO_GAP, calls_per_number=parse_quotas("1/1h"))
    driver.create()
    driver.dial(CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR))
    driver.admin.forget(PHONE, "root")
    driver.advance_time(HOUR - 2)
    assert refusing(driver.try_create()) == "calls_per_number"
    driver.advance_time(2)
    assert driver.try_create().outcome == "created"


def test_forget_erases_more_than_the_newest_verifications(
    driver: StoreDriver, redis: Redis
) -> None:
    """With calls and the provider's ids."""
    for n in range(25):
        driver.create(reference=f"login-{n}")
    claim = driver.dial()
    driver.apply_callback(CallStatus.ANSWERED, call_id=claim.call_id, provider_ids=("theirs-1",))
    other = driver.create(RAVI, own_code=True)

    assert driver.admin.forget(PHONE, "asha's friend") == 25
    left = sorted(key.decode().split(":")[1] for key in redis.scan_iter() if b"ref" not in key)
    assert left.count("verification") == left.count("call") == 1
    assert "provider_call" not in left
    assert driver.admin.find_by_number(PHONE, "x") == []
    assert driver.check(other, CODE).outcome == "right"


@pytest.mark.parametrize("broken", ["verification", "call", "number"])
def test_forget_erases_quarantined_records(driver: StoreDriver, redis: Redis, broken: str) -> None:
    """They contain the number's hash and the encrypted number."""
    begun = driver.create()
    driver.create(RAVI)
    bad = {"verification": "expires_at", "call": "due_at", "number": "gap_until"}[broken]
    for to in (ASHA, RAVI):
        [found] = driver.admin.find_by_number(number_identity(to), "root")
        ids = {"verification": found.id, "call": found.calls[0].id, "number": NUMBERS.hash(to)}
        redis.hset(f"{{otpvoice}}:{broken}:{ids[broken]}", bad, "soon")
        driver.store.get(found.id, "login")
    assert len([*redis.scan_iter("*:quarantined:*")]) == 2
    assert driver.admin.forget(PHONE, "root") == 1
    [left] = redis.scan_iter("*:quarantined:*")
    assert NUMBERS.hash(RAVI).encode() in (redis.hget(left, "number") or left)
    assert not redis.exists(f"{{otpvoice}}:call:{begun.calls[0].id}")


@pytest.mark.parametrize("where", ["verification:vrf_bad", "quarantined:verification:vrf_bad"])
def test_forget_skips_keys_of_another_type(driver: StoreDriver, redis: Redis, where: str) -> None:
    redis.lpush(f"{{otpvoice}}:quarantined:refusals:{PHONE.hash}", "no JSON")
    driver.create()
    redis.set(f"{{otpvoice}}:{where}", "no hash", ex=1000)
    assert driver.admin.forget(PHONE, "root") == 1
    assert not redis.exists(f"{{otpvoice}}:quarantined:refusals:{PHONE.hash}")
