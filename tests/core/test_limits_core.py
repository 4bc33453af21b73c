"""Limits: the table, quotas and refusals."""

import re
from pathlib import Path

import pytest
from msgspec import structs
from redis import Redis
from support.service import ASHA

from otpvoice.core.errors import RateLimited
from otpvoice.core.limits import LIMITS, NO_LIMITS, Quota, parse_quota
from otpvoice.core.requests import CallRequest, CreateRequest
from otpvoice.core.service import Verifications
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.settings.schema import Limits
from otpvoice.store.models import CallResult, Claim
from otpvoice.store.policy import StorePolicy
from otpvoice.store.redis_store import RedisStore


@pytest.fixture
def store(redis: Redis) -> RedisStore:
    """Return a store that allows one call in ten minutes."""
    limits = structs.replace(NO_LIMITS, calls_per_number=(parse_quota("1/10m"),))
    return RedisStore(redis, policy=StorePolicy(limits=limits))


def test_limits_table_matches_errors_page() -> None:
    """The page lists each limit that a client can meet, and no other."""
    page = (Path(__file__).parents[2] / "docs" / "errors.md").read_text("utf-8")
    table = page[page.index("\n## Limits\n") :]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == {*LIMITS}


def test_limits_table_matches_settings() -> None:
    """Each limit is a setting of ``[limits]``, but for blocks, which operators set."""
    settings = {field.name for field in structs.fields(Limits)}
    assert {*LIMITS} - settings == {"block"}


@pytest.mark.parametrize(
    ("text", "count", "seconds"),
    [
        ("3/10m", 3, 600),
        ("5/24h", 5, 86_400),
        ("1/1s", 1, 1),
        ("20/7d", 20, 604_800),
        ("999999999/1m", 999_999_999, 60),
    ],
)
def test_parse_quota_returns_count_and_window(text: str, count: int, seconds: int) -> None:
    """And the text, which labels use."""
    assert parse_quota(text) == Quota(text, count, seconds * 1000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "3/",
        "/10m",
        "3/10",
        "3/m",
        "0/10m",
        "3/0m",
        "03/10m",
        "-3/10m",
        "+3/10m",
        "3/1.5m",
        "3/10M",
        "3/10w",
        "3/10ms",
        "3 / 10m",
        " 3/10m",
        "3/10m ",
        "3/10m\n",
        "3/10m,5/24h",
        "٣/10m",
        "3/१०m",
        "1234567890/1m",
        "3'/10m",
        "3/10m' } } --",
    ],
)
def test_parse_quota_of_other_text_raises(text: str) -> None:
    """With an example. No other text reaches the store's functions."""
    with pytest.raises(ValueError, match="3/10m"):
        parse_quota(text)


def test_rate_limited_has_limit_and_retry_after(service: Verifications, store: RedisStore) -> None:
    """In whole seconds, with the client's own verification."""
    begun = service.create("login", CreateRequest(to=ASHA)).verification
    with pytest.raises(RateLimited) as refused:
        service.create("bank", CreateRequest(to=ASHA))
    assert (refused.value.limit, refused.value.retry_after) == ("calls_per_number", 600)
    assert refused.value.verification is None

    claim = store.claim(200)
    assert isinstance(claim, Claim)
    assert store.mark_sent(claim, 165_000, [0])
    store.record_result(claim, CallResult(CallStatus.FAILED, CallReason.REFUSED))
    with pytest.raises(RateLimited) as refused:
        service.request_call("login", begun.id, CallRequest())
    assert (refused.value.limit, refused.value.retry_after) == ("calls_per_number", 600)
    assert refused.value.verification
    assert refused.value.verification.id == begun.id
