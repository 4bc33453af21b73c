"""How the address of the store is read."""

import pytest
from support.timing import finishes_within

from otpvoice.core.errors import StoreUnavailable
from otpvoice.store.discovery import connect, parse_ha_url
from otpvoice.store.redis_store import RedisStore


def test_sentinels() -> None:
    """Whom to ask, for which service, and who we are; marks of a URL are written with %."""
    servers = parse_ha_url(
        "redis+sentinel://otp:p%40s%2Fs@a.example:26379,10.0.0.2:26380/main%2D1/3"
    )
    assert servers.nodes == (("a.example", 26379), ("10.0.0.2", 26380))
    assert (servers.service, servers.db, servers.tls) == ("main-1", 3, False)
    assert (servers.user, servers.password) == ("otp", "p@s/s")


def test_cluster() -> None:
    """Nodes, and no service; an address may be one of IPv6, a password may stand without a user."""
    servers = parse_ha_url("redis+cluster://:word@[::1]:6379,b:6380?tls=true")
    assert servers.nodes == (("::1", 6379), ("b", 6380))
    assert (servers.service, servers.db, servers.tls) == (None, 0, True)
    assert (servers.user, servers.password) == (None, "word")


def test_what_may_be_left_out() -> None:
    """A database is 0, nobody logs in, nothing is encrypted."""
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
def test_what_can_not_be_read(url: str) -> None:
    """Refused, and not repeated: there may be a password in it."""
    with pytest.raises(ValueError, match=r"port|service") as refusal:
        connect(url)
    assert "s3cret" not in str(refusal.value)


def test_a_password_is_not_shown() -> None:
    """Not in the repr, which may stand in a traceback."""
    assert "word" not in repr(parse_ha_url("redis+cluster://:word@a:1"))


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://127.0.0.1:1,127.0.0.1:2/main/0",
        "redis+cluster://127.0.0.1:1,store.invalid:6379",
    ],
)
def test_nobody_there(url: str) -> None:
    """To connect is to wait for nobody; the first command says that the store is away."""
    client = connect(url)
    with finishes_within(0.65), pytest.raises(StoreUnavailable):
        RedisStore(client).get("vrf_1", "login")
    client.close()
