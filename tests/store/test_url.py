"""Parsing the URL of the store."""

import pytest
from support.timing import finishes_within

from otpvoice.addresses import parse_ha_url
from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore


def test_sentinel_url_is_parsed() -> None:
    """Percent-encoded characters are decoded."""
    servers = parse_ha_url(
        "redis+sentinel://otp:p%40s%2Fs@a.example:26379,10.0.0.2:26380/main%2D1/3"
    )
    assert servers.nodes == (("a.example", 26379), ("10.0.0.2", 26380))
    assert (servers.service, servers.db, servers.tls) == ("main-1", 3, False)
    assert (servers.user, servers.password) == ("otp", "p@s/s")


def test_cluster_url_is_parsed() -> None:
    """IPv6 addresses, and a password without a user."""
    servers = parse_ha_url("redis+cluster://:word@[::1]:6379,b:6380?tls=true")
    assert servers.nodes == (("::1", 6379), ("b", 6380))
    assert (servers.service, servers.db, servers.tls) == (None, 0, True)
    assert (servers.user, servers.password) == (None, "word")


def test_sentinel_url_defaults() -> None:
    """Database 0, no login, no TLS."""
    servers = parse_ha_url("redis+sentinel://a:1/main")
    assert (servers.db, servers.user, servers.password, servers.tls) == (0, None, None, False)
    assert parse_ha_url("redis+cluster://a:1/") == parse_ha_url("redis+cluster://a:1?tls=false")


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://:s3cret@a:1",
        "redis+sentinel://:s3cret@a:1/main/x",
        "redis+cluster://:s3cret@a:1/main",
        "redis+cluster://:s3cret@a,b:1",
        "redis+cluster://:s3cret@",
        "redis+cluster://s3cret@a:1",
        "redis+cluster://:s3cret@a:1?tls=maybe",
        "redis+other://:s3cret@a:1",
    ],
)
def test_invalid_url_is_refused_and_not_repeated(url: str) -> None:
    """It may contain a password."""
    with pytest.raises(ValueError, match=r"port|service|hosts|follow") as refusal:
        connect(url)
    assert "s3cret" not in str(refusal.value)


def test_password_is_not_in_the_repr() -> None:
    assert "word" not in repr(parse_ha_url("redis+cluster://:word@a:1"))


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://127.0.0.1:1,127.0.0.1:2/main/0",
        "redis+cluster://127.0.0.1:1,store.invalid:6379",
    ],
)
def test_unreachable_nodes_are_unavailable(url: str) -> None:
    """At the first command."""
    client = connect(url)
    with finishes_within(0.65), pytest.raises(StoreUnavailable):
        RedisStore(client).get("vrf_1", "login")
    client.close()
