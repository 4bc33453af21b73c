"""Every test here ends with a look at the keys it left: all of them end by themselves."""

from collections.abc import Iterator

import pytest
from redis import Redis
from store.exchange import Exchange

from otpvoice.store.keys import Keys
from otpvoice.store.redis import RedisStore


@pytest.fixture(autouse=True)
def every_key_ends(redis: Redis) -> Iterator[None]:
    """Promise 9: a key has an end, or is an index that goes with its last member."""
    yield
    queue, dialing, live, expiring, *_ = Keys().shared
    endless = {key.decode() for key in redis.scan_iter() if redis.pttl(key) < 0}
    assert endless <= {queue, dialing, live, expiring}


@pytest.fixture
def exchange(store: RedisStore) -> Exchange:
    """A desk and a dialer, which was just heard of."""
    return Exchange(store)
