"""The use cases: what a request becomes, and how each answer of the store is told."""

import re
from collections.abc import Callable

import pytest
from support.service import ASHA, BRIDGE

from otpvoice.core.errors import (
    CallsUnavailable,
    FieldError,
    InvalidNumber,
    InvalidRequest,
    NoCallYet,
    NotFound,
    NumberNotAllowed,
    OverCapacity,
    RateLimited,
    TooLate,
    VerificationClosed,
)
from otpvoice.core.keys import (
    DecryptionError,
    KeyRing,
    decrypt_number,
    decrypt_speech,
    encrypt_speech,
)
from otpvoice.core.requests import CallRequest, CheckRequest, CreateRequest
from otpvoice.core.service import Result, Verifications
from otpvoice.core.verification import CallStatus, EndReason, Route, Status
from otpvoice.store.models import CallResult, Claim
from otpvoice.store.redis_store import RedisStore

ASKS = CreateRequest(to=ASHA)
GAPS = [60_000, 60_000, 300_000]


def claimed(store: RedisStore) -> Claim:
    """The next due call."""
    claim = store.claim(200)
    assert isinstance(claim, Claim)
    return claim


def spoken(store: RedisStore, ring: KeyRing) -> tuple[str, str]:
    """Code and name of the next due call, as its dialer reads them before it sends the call."""
    claim = claimed(store)
    assert store.mark_sent(claim, 165_000, GAPS)
    return decrypt_speech(ring, claim.verification_id, claim.encrypted_speech)


def calls_busy(store: RedisStore) -> None:
    """The next due call is refused by the provider though it may have rung."""
    claim = claimed(store)
    assert store.mark_sent(claim, 165_000, GAPS)
    store.record_result(claim, CallResult(CallStatus.FAILED))


def test_a_request_is_recognised_by_all_that_it_is(service: Verifications) -> None:
    """By who asks, for what, and with which key; another body is told apart from it."""
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


# Create ------------------------------------------------------------------------------------------


def test_a_create_queues_a_call_that_speaks_its_code(
    service: Verifications, store: RedisStore, ring: KeyRing
) -> None:
    """The dialer hears the name cleaned and the very code that is then accepted."""
    created = service.create("login", CreateRequest(to=ASHA, name=" {Asha}  1"))
    assert created.is_new
    code, name = spoken(store, ring)
    assert re.fullmatch("[0-9]{6}", code)
    assert name == "Asha"
    assert service.check("login", created.verification.id, CheckRequest(code)).valid


def test_what_a_create_leaves_open_is_filled_in(
    service: Verifications, store: RedisStore, ring: KeyRing
) -> None:
    """Route, name, flow, bridge and life as the client's settings say."""
    begun = service.create("bank", CreateRequest(to=ASHA, name="{{1}}")).verification
    assert re.fullmatch("vrf_[0-9a-f]{32}", begun.id)
    assert begun.expires_at - begun.created_at == 60_000
    assert begun.queue_margin == 30_000
    [call] = begun.calls
    assert re.fullmatch("call_[0-9a-f]{32}", call.id)
    assert (call.route, call.locale) == (Route.C2C, "default")
    assert (call.bridge, call.caller_id) == (BRIDGE, f"+{BRIDGE}")
    assert spoken(store, ring)[1] == "Patron"


def test_what_a_create_says_is_taken(
    service: Verifications, store: RedisStore, ring: KeyRing
) -> None:
    """Code, route, language, life, delay and reference."""
    request = CreateRequest(
        to=ASHA, code="0042", route=Route.OBD, locale="hi-IN", ttl=100, reference="r"
    )
    begun = service.create("login", request).verification
    assert begun.expires_at - begun.created_at == 100_000
    assert (begun.reference, begun.code_length, begun.checks_left) == ("r", 4, 5)
    assert (begun.calls[0].route, begun.calls[0].locale) == (Route.OBD, "hi")
    assert spoken(store, ring) == ("0042", "Customer")


@pytest.mark.parametrize(("own", "code"), [(None, "0042"), ("4711", "4711")])
def test_a_test_number_has_its_code(
    service: Verifications, store: RedisStore, own: str | None, code: str
) -> None:
    """In every verification the same, unless the client brings one; and nobody is to be called."""
    for reference in ("one", "two"):
        request = CreateRequest(to="+12015550199", code=own, reference=reference)
        begun = service.create("login", request).verification
        assert begun.code_length == len(code)
        assert claimed(store).is_test
        assert not service.check("login", begun.id, CheckRequest("9999")).valid
        assert service.check("login", begun.id, CheckRequest(code)).valid
    service.create("login", ASKS)
    assert not claimed(store).is_test


def test_the_number_is_sealed_and_comes_back(service: Verifications, ring: KeyRing) -> None:
    """In its canonical form, for the holder of the ring only."""
    created = service.create("login", CreateRequest(to="+9109876543210"))
    begun = created.verification
    assert (created.number, service.get("login", begun.id).number) == (ASHA, ASHA)
    assert ASHA.encode() not in begun.encrypted_number
    assert decrypt_number(ring, begun.id, begun.encrypted_number) == ASHA
    with pytest.raises(DecryptionError):
        decrypt_number(KeyRing([bytes(32)]), begun.id, begun.encrypted_number)


def test_one_telephone_written_in_two_ways_is_one(service: Verifications) -> None:
    """Limits and reuse go by the canonical form."""
    begun = service.create("login", ASKS)
    again = service.create("login", CreateRequest(to="+9109876543210"))
    assert (again.is_new, again.verification.id) == (False, begun.verification.id)


def test_create_with_another_reference_begins_another_verification(
    service: Verifications,
) -> None:
    """Both stay pending, each for its own login session."""
    first = service.create("login", CreateRequest(to=ASHA, reference="a")).verification
    second = service.create("login", CreateRequest(to=ASHA, reference="b"))
    assert second.is_new
    assert service.get("login", first.id).verification.status is Status.PENDING


def test_check_before_a_call_was_sent_raises_no_call_yet(
    service: Verifications, store: RedisStore
) -> None:
    """With the verification as it stands. A call that was sent makes the code worth comparing."""
    begun = service.create("login", ASKS).verification
    with pytest.raises(NoCallYet) as refusal:
        service.check("login", begun.id, CheckRequest("123456"))
    assert refusal.value.verification
    assert refusal.value.verification.id == begun.id
    assert store.mark_sent(claimed(store), 165_000, GAPS)
    service.check("login", begun.id, CheckRequest("123456"))


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (CreateRequest(to="9876543210"), InvalidNumber),
        (CreateRequest(to="+12015550123"), NumberNotAllowed),
        (CreateRequest(to="+912223456789"), NumberNotAllowed),
    ],
)
def test_numbers_that_are_refused(
    service: Verifications, store: RedisStore, request_: CreateRequest, refusal: type[Exception]
) -> None:
    """Nothing is queued for them."""
    with pytest.raises(refusal):
        service.create("login", request_)
    assert store.claim(200) == -1


@pytest.mark.parametrize(("ttl", "latest"), [(300, 240), (600, 300), (61, 30), (60, 30), (120, 60)])
def test_a_delay_leaves_time_for_the_call(service: Verifications, ttl: int, latest: int) -> None:
    """Beyond that it is refused with the member named: the call could only come too late."""
    taken = service.create("login", CreateRequest(to=ASHA, ttl=ttl, call_after=latest))
    assert taken.verification.calls[0].due_at == taken.verification.created_at + latest * 1000
    if latest < 300:
        with pytest.raises(InvalidRequest) as refusal:
            service.create("login", CreateRequest(to=ASHA, ttl=ttl, call_after=latest + 1))
        assert [fault.pointer for fault in refusal.value.field_errors] == ["/call_after"]


def test_the_gap_refuses_with_what_holds_and_how_long(
    service: Verifications, store: RedisStore
) -> None:
    """Whole seconds, rounded up, after which it is taken."""
    for _ in range(3):
        begun = service.create("login", ASKS).verification
        calls_busy(store)
        service.cancel("login", begun.id)
        store.clock_offset_ms += 60_000
        store.sweep("dialer")
    with pytest.raises(RateLimited) as refusal:
        service.create("bank", ASKS)
    assert refusal.value.limit == "call_gap"
    assert 209 <= refusal.value.retry_after <= 210
    store.clock_offset_ms += refusal.value.retry_after * 1000
    store.sweep("dialer")
    assert service.create("bank", ASKS).is_new


def test_nobody_dials(service: Verifications, store: RedisStore) -> None:
    """Told as such, with when to ask again, and with the verification if there is one."""
    begun = service.create("login", ASKS).verification
    calls_busy(store)
    store.clock_offset_ms += 61_000
    requests: list[Callable[[], Result]] = [
        lambda: service.create("login", ASKS),
        lambda: service.request_call("login", begun.id, CallRequest()),
    ]
    for refused in requests:
        with pytest.raises(CallsUnavailable) as refusal:
            refused()
        assert refusal.value.retry_after == 5
        assert refusal.value.verification
        assert refusal.value.verification.id == begun.id


def test_too_many_wait(service: Verifications, store: RedisStore) -> None:
    """Told as such; nothing is begun."""
    service.create("login", ASKS)
    store.clock_offset_ms += 61_000
    store.sweep("dialer")
    with pytest.raises(OverCapacity) as refusal:
        service.create("login", CreateRequest(to="+919812345678"))
    assert refusal.value.verification is None


# Check, call, cancel, approve ---------------------------------------------------------------------


def test_a_wrong_code_is_no_error(service: Verifications) -> None:
    """It is an answer, with one check less."""
    begun = service.create("login", CreateRequest(to=ASHA, code="123456")).verification
    checked = service.check("login", begun.id, CheckRequest("654321"))
    assert not checked.valid
    assert checked.verification.checks_left == 4


def test_a_code_of_another_length_is_refused(service: Verifications) -> None:
    """With its pointer, and without a cost."""
    begun = service.create("login", CreateRequest(to=ASHA, code="123456")).verification
    with pytest.raises(InvalidRequest) as refusal:
        service.check("login", begun.id, CheckRequest("1234"))
    assert [fault.pointer for fault in refusal.value.field_errors] == ["/code"]
    assert isinstance(refusal.value.field_errors[0], FieldError)
    assert "1234" not in str(refusal.value)
    assert service.get("login", begun.id).verification.checks_left == 5


def test_another_clients_verification_does_not_exist(service: Verifications) -> None:
    """For every use case the same refusal as for an unknown id, with nothing in it."""
    begun = service.create("login", CreateRequest(to=ASHA, code="123456")).verification
    told = set()
    for client, wanted in (("bank", begun.id), ("login", "vrf_" + "0" * 32)):
        for step in (
            service.get,
            lambda c, v: service.check(c, v, CheckRequest("123456")),
            lambda c, v: service.request_call(c, v, CallRequest()),
            service.cancel,
            service.approve,
        ):
            with pytest.raises(NotFound) as refusal:
                step(client, wanted)
            assert refusal.value.verification is None
            told.add(str(refusal.value))
    assert len(told) == 1


def test_what_has_ended_is_closed(service: Verifications) -> None:
    """Told with the verification as it stands."""
    begun = service.create("login", CreateRequest(to=ASHA, code="123456")).verification
    assert service.cancel("login", begun.id).verification.status is Status.CANCELED
    assert service.cancel("login", begun.id).verification.reason is EndReason.REQUESTED
    steps: list[Callable[[], Result]] = [
        lambda: service.check("login", begun.id, CheckRequest("123456")),
        lambda: service.request_call("login", begun.id, CallRequest()),
        lambda: service.approve("login", begun.id),
    ]
    for step in steps:
        with pytest.raises(VerificationClosed) as refusal:
            step()
        assert refusal.value.verification
        assert refusal.value.verification.status is Status.CANCELED


def test_approved_elsewhere(service: Verifications) -> None:
    """And again the same."""
    begun = service.create("login", ASKS).verification
    for _ in range(2):
        approved = service.approve("login", begun.id).verification
        assert (approved.status, approved.reason) == (
            Status.APPROVED,
            EndReason.APPROVED_ELSEWHERE,
        )


def test_a_further_call_takes_its_wishes(service: Verifications, store: RedisStore) -> None:
    """Route and language of the request, else those of the create; the code stays."""
    begun = service.create("login", CreateRequest(to=ASHA, locale="hi", ttl=600)).verification
    calls_busy(store)
    again = service.request_call(
        "login", begun.id, CallRequest(Route.OBD, "en")
    ).verification.calls[-1]
    assert (again.route, again.locale) == (Route.OBD, "default")
    store.clock_offset_ms += 60_000
    store.sweep("dialer")
    calls_busy(store)
    third = service.request_call("login", begun.id, CallRequest()).verification.calls[-1]
    assert (third.route, third.locale) == (Route.C2C, "hi")


def test_too_late_for_a_further_call(service: Verifications, store: RedisStore) -> None:
    """Told as such; a check is still welcome."""
    begun = service.create("login", CreateRequest(to=ASHA, code="123456")).verification
    calls_busy(store)
    store.clock_offset_ms += 250_000
    with pytest.raises(TooLate):
        service.request_call("login", begun.id, CallRequest())
    assert service.check("login", begun.id, CheckRequest("123456")).valid


@pytest.mark.parametrize("name", ["Asha", "Asha Rao", "", "आशा राव"])
def test_speech_is_sealed_with_its_verification(ring: KeyRing, name: str) -> None:
    """Code and name come back apart, names with spaces too; another verification opens nothing."""
    sealed = encrypt_speech(ring, "vrf_1", "0123", name)
    assert decrypt_speech(ring, "vrf_1", sealed) == ("0123", name)
    with pytest.raises(DecryptionError):
        decrypt_speech(ring, "vrf_2", sealed)
