"""A trial's call: what the provider answers is kept, sealed."""

import pytest
from redis import Redis
from support.service import ASHA, ClientAndDialer, SandboxPhones

from otpvoice.core.keys import DecryptionError, KeyRing
from otpvoice.core.requests import CreateRequest
from otpvoice.core.service import Verifications
from otpvoice.core.verification import CallStatus
from otpvoice.providers.exchange_capture import CapturedResponse, decrypt_exchange
from otpvoice.settings import Settings
from otpvoice.store.redis_store import RedisStore


@pytest.fixture
def ring(settings: Settings) -> KeyRing:
    """What everything is sealed with."""
    return KeyRing([named.key for named in settings.secrets.keys])


def test_the_reply_is_kept_word_by_word(
    service: Verifications, harness: ClientAndDialer, store: RedisStore, ring: KeyRing, redis: Redis
) -> None:
    """Whoever has the ring reads it; in the store there is no number and no code."""
    call = service.create_live_test("login", CreateRequest(ASHA, code="482913")).calls[0]
    assert harness.dial_next()
    ((_, sealed),) = store.captured(call.id)
    heard = decrypt_exchange(ring, call.id, sealed)
    assert isinstance(heard, CapturedResponse)
    assert (heard.method, heard.status, heard.error) == ("POST", 200, "")
    assert ASHA.removeprefix("+").encode() in heard.body
    assert ASHA.removeprefix("+") not in repr(heard)
    kept = b"".join(redis.dump(key) or b"" for key in redis.scan_iter("*:captured:*"))
    assert kept
    assert not [secret for secret in (ASHA[1:], "482913", "accepted") if secret.encode() in kept]


def test_silence_is_kept_too(
    service: Verifications,
    harness: ClientAndDialer,
    phones: SandboxPhones,
    store: RedisStore,
    ring: KeyRing,
) -> None:
    """With the name of what broke, and how long it took."""
    phones.set_behaviour(ASHA, "timeout", rings=False)
    begun = service.create_live_test("login", CreateRequest(ASHA))
    assert harness.dial_next(end_within=0.3)
    ((_, sealed),) = store.captured(begun.calls[0].id)
    heard = decrypt_exchange(ring, begun.calls[0].id, sealed)
    assert isinstance(heard, CapturedResponse)
    assert (heard.status, heard.body, heard.error) == (None, b"", "TimeoutError")
    assert 0.2 < heard.duration_s < 2
    assert harness.calls_of(begun)[0].status is CallStatus.UNKNOWN


def test_of_other_calls_nothing_is_kept(harness: ClientAndDialer, redis: Redis) -> None:
    """Numbers and codes are in no reply that is kept."""
    harness.create()
    assert harness.dial_next()
    assert [*redis.scan_iter("*:captured:*")] == []


def test_it_opens_for_its_own_call_only(ring: KeyRing) -> None:
    """A seal is bound to the call."""
    call, other = "call_" + "a" * 32, "call_" + "b" * 32
    sealed = ring.encrypt("{}", f"{call} heard")
    with pytest.raises(DecryptionError):
        decrypt_exchange(ring, other, sealed)
