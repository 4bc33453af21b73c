"""Use cases on a real store."""

import re

import pytest
from support.service import ASHA, BRIDGE

from otpvoice.core.errors import (
    FieldError,
    InvalidNumber,
    InvalidRequest,
    NoCallYet,
    NumberNotAllowed,
    RateLimited,
)
from otpvoice.core.keys import DecryptionError, KeyRing, decrypt_number, decrypt_speech
from otpvoice.core.requests import CallRequest, CheckRequest, CreateRequest
from otpvoice.core.service import Verifications
from otpvoice.core.verification import CallStatus
from otpvoice.store.models import CallResult, Claim
from otpvoice.store.redis_store import RedisStore

REQUEST = CreateRequest(to=ASHA)
GAPS = [60_000, 60_000, 300_000]


def claim_call(store: RedisStore) -> Claim:
    """Claim the next due call."""
    claim = store.claim(200)
    assert isinstance(claim, Claim)
    return claim


def send_call(store: RedisStore, ring: KeyRing) -> tuple[str, str]:
    """Mark the next due call as sent, and return the code and name that it speaks."""
    claim = claim_call(store)
    assert store.mark_sent(claim, 165_000, GAPS)
    return decrypt_speech(ring, claim.verification_id, claim.encrypted_speech)


def fail_call(store: RedisStore) -> None:
    """Fail the next due call, which may have rung."""
    claim = claim_call(store)
    assert store.mark_sent(claim, 165_000, GAPS)
    store.record_result(claim, CallResult(CallStatus.FAILED))


def test_request_fingerprint_depends_on_credential_operation_and_key(
    service: Verifications,
) -> None:
    """Another body has another hash under the same key."""
    said = ("client login", "POST /v1/verifications", "key", b"body")
    first = service.request_fingerprint(*said)
    assert service.request_fingerprint(*said) == first
    for other in (
        ("client bank", *said[1:]),
        (said[0], "POST /v1/verifications/vrf_0/checks", *said[2:]),
        (said[0], "PUT /v1/verifications", *said[2:]),
        (*said[:2], "kez", said[3]),
    ):
        again = service.request_fingerprint(*other)
        assert (again.key_hash == first.key_hash, again.body_hash == first.body_hash) == (
            False,
            True,
        )
    other_body = service.request_fingerprint(*said[:3], b"bodz")
    assert (other_body.key_hash == first.key_hash, other_body.body_hash == first.body_hash) == (
        True,
        False,
    )


def test_create_queues_a_call_that_speaks_its_code(
    service: Verifications, store: RedisStore, ring: KeyRing
) -> None:
    """The dialer receives the cleaned name, and a check accepts the code that it receives."""
    created = service.create("login", CreateRequest(to=ASHA, name=" {Asha}  1"))
    assert created.outcome == "created"
    code, name = send_call(store, ring)
    assert re.fullmatch("[0-9]{6}", code)
    assert name == "Asha"
    assert service.check("login", created.verification.id, CheckRequest(code)).outcome == "right"


def test_create_with_number_only_takes_the_client_settings(
    service: Verifications, store: RedisStore, ring: KeyRing
) -> None:
    """Route, name, flow, bridge and life."""
    begun = service.create("bank", CreateRequest(to=ASHA, name="{{1}}")).verification
    assert re.fullmatch("vrf_[0-9a-f]{32}", begun.id)
    assert begun.expires_at - begun.created_at == 60_000
    assert begun.queue_margin == 30_000
    [call] = begun.calls
    assert re.fullmatch("call_[0-9a-f]{32}", call.id)
    assert (call.route, call.locale) == ("c2c", "default")
    assert (call.bridge, call.caller_id) == (BRIDGE, f"+{BRIDGE}")
    assert send_call(store, ring)[1] == "Patron"


def test_create_takes_all_members_of_the_request(
    service: Verifications, store: RedisStore, ring: KeyRing
) -> None:
    """Code, route, language, life, delay and reference."""
    request = CreateRequest(
        to=ASHA, code="0042", route="obd", locale="hi-IN", ttl=100, reference="r"
    )
    begun = service.create("login", request).verification
    assert begun.expires_at - begun.created_at == 100_000
    assert (begun.reference, begun.code_length, begun.checks_left) == ("r", 4, 5)
    assert (begun.calls[0].route, begun.calls[0].locale) == ("obd", "hi")
    assert send_call(store, ring) == ("0042", "Customer")


def test_unknown_route_is_refused_with_the_known_names(service: Verifications) -> None:
    """In a create, and in a request for a further call."""
    begun = service.create("login", CreateRequest(to=ASHA)).verification
    detail = FieldError("/route", 'must be "c2c" or "obd"')
    with pytest.raises(InvalidRequest) as refused:
        service.create("login", CreateRequest(to=ASHA, route="sip"))
    assert refused.value.field_errors == (detail,)
    with pytest.raises(InvalidRequest) as refused:
        service.request_call("login", begun.id, CallRequest(route="OBD"))
    assert refused.value.field_errors == (detail,)


@pytest.mark.parametrize(("own", "code"), [(None, "0042"), ("4711", "4711")])
def test_create_for_test_number_has_its_fixed_code(
    service: Verifications, store: RedisStore, own: str | None, code: str
) -> None:
    """In every verification, unless the client supplies one. The call is simulated."""
    for reference in ("one", "two"):
        request = CreateRequest(to="+12015550199", code=own, reference=reference)
        begun = service.create("login", request).verification
        assert begun.code_length == len(code)
        assert claim_call(store).is_test
        assert service.check("login", begun.id, CheckRequest("9999")).outcome == "wrong"
        assert service.check("login", begun.id, CheckRequest(code)).outcome == "right"
    service.create("login", REQUEST)
    assert not claim_call(store).is_test


def test_number_is_stored_encrypted_in_canonical_form(
    service: Verifications, ring: KeyRing
) -> None:
    """Only the key ring decrypts it."""
    created = service.create("login", CreateRequest(to="+9109876543210"))
    begun = created.verification
    assert (created.number, service.get("login", begun.id).number) == (ASHA, ASHA)
    assert ASHA.encode() not in begun.encrypted_number
    assert decrypt_number(ring, begun.id, begun.encrypted_number) == ASHA
    with pytest.raises(DecryptionError):
        decrypt_number(KeyRing([bytes(32)]), begun.id, begun.encrypted_number)


def test_check_before_a_call_was_sent_raises_no_call_yet(
    service: Verifications, store: RedisStore
) -> None:
    """The error carries the verification. Once a call was sent, codes are compared."""
    begun = service.create("login", REQUEST).verification
    with pytest.raises(NoCallYet) as refusal:
        service.check("login", begun.id, CheckRequest("123456"))
    assert refusal.value.verification
    assert refusal.value.verification.id == begun.id
    assert store.mark_sent(claim_call(store), 165_000, GAPS)
    service.check("login", begun.id, CheckRequest("123456"))


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (CreateRequest(to="9876543210"), InvalidNumber),
        (CreateRequest(to="+12015550123"), NumberNotAllowed),
        (CreateRequest(to="+912223456789"), NumberNotAllowed),
    ],
)
def test_create_for_refused_number_queues_nothing(
    service: Verifications, store: RedisStore, request_: CreateRequest, refusal: type[Exception]
) -> None:
    """Invalid numbers, and numbers that the rules do not allow."""
    with pytest.raises(refusal):
        service.create("login", request_)
    assert store.claim(200) == -1


@pytest.mark.parametrize(("ttl", "latest"), [(300, 240), (600, 300), (61, 30), (60, 30), (120, 60)])
def test_create_with_too_long_delay_raises_invalid_request(
    service: Verifications, ttl: int, latest: int
) -> None:
    """The delay must leave time for the call within the code's life."""
    taken = service.create("login", CreateRequest(to=ASHA, ttl=ttl, call_after=latest))
    assert taken.verification.calls[0].due_at == taken.verification.created_at + latest * 1000
    if latest < 300:
        with pytest.raises(InvalidRequest) as refusal:
            service.create("login", CreateRequest(to=ASHA, ttl=ttl, call_after=latest + 1))
        assert [fault.pointer for fault in refusal.value.field_errors] == ["/call_after"]


def test_create_within_call_gap_raises_rate_limited(
    service: Verifications, store: RedisStore
) -> None:
    """With whole seconds, rounded up, after which the create succeeds."""
    for _ in range(3):
        begun = service.create("login", REQUEST).verification
        fail_call(store)
        service.cancel("login", begun.id)
        store.clock_offset_ms += 60_000
        store.sweep("dialer")
    with pytest.raises(RateLimited) as refusal:
        service.create("bank", REQUEST)
    assert refusal.value.limit == "call_gap"
    assert 209 <= refusal.value.retry_after <= 210
    store.clock_offset_ms += refusal.value.retry_after * 1000
    store.sweep("dialer")
    assert service.create("bank", REQUEST).outcome == "created"
