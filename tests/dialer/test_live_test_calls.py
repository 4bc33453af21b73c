"""A live test call keeps the provider's responses, encrypted."""

import pytest
from redis import Redis
from support.service import ASHA, ClientAndDialer, SandboxPhones

from otpvoice.core.keys import DecryptionError, KeyRing
from otpvoice.core.requests import CreateRequest
from otpvoice.core.service import Verifications
from otpvoice.core.verification import CallStatus
from otpvoice.http_client import CapturedResponse
from otpvoice.providers.exchange_capture import ExchangeCapture
from otpvoice.settings import Settings
from otpvoice.store.redis_store import RedisStore


@pytest.fixture
def ring(settings: Settings) -> KeyRing:
    """Return the key ring that encrypts everything."""
    return KeyRing([named.key for named in settings.secrets.keys])


def test_response_of_a_live_test_call_is_kept_whole(
    service: Verifications, harness: ClientAndDialer, store: RedisStore, ring: KeyRing, redis: Redis
) -> None:
    """The key ring decrypts it. The store has no plain number and no code."""
    call = service.create_live_test("login", CreateRequest(ASHA, code="482913")).calls[0]
    assert harness.dial_next()
    ((_, heard),) = ExchangeCapture(store, ring).load(call.id)
    assert isinstance(heard, CapturedResponse)
    assert (heard.method, heard.status, heard.error) == ("POST", 200, "")
    assert ASHA.removeprefix("+").encode() in heard.body
    assert ASHA.removeprefix("+") not in repr(heard)
    kept = b"".join(redis.dump(key) or b"" for key in redis.scan_iter("*:captured:*"))
    assert kept
    assert not [secret for secret in (ASHA[1:], "482913", "accepted") if secret.encode() in kept]


def test_missing_response_of_a_live_test_call_is_kept(
    service: Verifications,
    harness: ClientAndDialer,
    phones: SandboxPhones,
    store: RedisStore,
    ring: KeyRing,
) -> None:
    """With the error and the duration."""
    phones.set_behaviour(ASHA, "timeout", rings=False)
    begun = service.create_live_test("login", CreateRequest(ASHA))
    assert harness.dial_next(end_within=0.3)
    ((_, heard),) = ExchangeCapture(store, ring).load(begun.calls[0].id)
    assert isinstance(heard, CapturedResponse)
    assert (heard.status, heard.body, heard.error) == (None, b"", "TimeoutError")
    assert 0.2 < heard.duration_s < 2
    assert harness.calls_of(begun)[0].status is CallStatus.UNKNOWN


def test_responses_of_other_calls_are_not_kept(harness: ClientAndDialer, redis: Redis) -> None:
    """They contain numbers and codes."""
    harness.create()
    assert harness.dial_next()
    assert [*redis.scan_iter("*:captured:*")] == []


@pytest.mark.usefixtures("harness")
def test_captured_exchange_of_another_call_cannot_be_decrypted(
    service: Verifications, store: RedisStore, ring: KeyRing
) -> None:
    """The encryption binds an exchange to its call."""
    call = service.create_live_test("login", CreateRequest(ASHA)).calls[0]
    store.capture(call.id, ring.encrypt("{}", f"call_{'b' * 32} captured"))
    with pytest.raises(DecryptionError):
        ExchangeCapture(store, ring).load(call.id)
