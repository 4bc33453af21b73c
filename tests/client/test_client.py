"""The methods of the client, with the real API."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from api.api_client import UNKNOWN, ManualDialer
from client.faulty_proxy import running_proxy
from redis import Redis
from support.service import ASHA, BANK_KEY, LOGIN_KEY

from otpvoice_client import (
    ApiError,
    Client,
    InvalidRequest,
    NotFound,
    NumberRefused,
    RateLimited,
    Transaction,
    Unauthorized,
    Unavailable,
    VerificationClosed,
)

CODE = "482913"


def test_create_returns_all_members(client: Client) -> None:
    """Every member of the contract is parsed; times are aware."""
    created = client.create(ASHA, reference="login-81", locale="hi-IN", ttl=120)
    assert (created.to, created.status, created.reference) == (ASHA, "pending", "login-81")
    assert created.expires_at - created.created_at == timedelta(seconds=120)
    assert abs(created.created_at - datetime.now(UTC)) < timedelta(seconds=5)
    assert (created.ended_at, created.has_ended, created.checks_left) == (None, False, 5)
    (call,) = created.calls
    assert (call.status, call.route, call.locale) == ("queued", "obd", "hi")
    assert created.next.check.allowed
    assert (created.next.call.allowed, created.next.call.reason) == (False, "call_in_progress")
    assert client.get(created.id) == created


def test_create_sends_its_arguments(client: Client, dialer: ManualDialer) -> None:
    client.create(ASHA, name="Asha", code=CODE, route="c2c", call_after=0, ip="203.0.113.9")
    claim = dialer.claim()
    assert dialer.decrypt(claim) == (ASHA, CODE, "Asha")
    assert claim.route == "c2c"


def test_absent_arguments_are_not_sent(client: Client, url: str) -> None:
    with (
        running_proxy(int(url.rpartition(":")[2])) as proxy,
        Client(proxy.url, LOGIN_KEY) as proxied_client,
    ):
        created = proxied_client.create(ASHA, call_after=0)
        proxied_client.call(created.id)
    assert [proxied.body for proxied in proxy.requests] == [{"to": ASHA, "call_after": 0}, {}]
    assert client.get(created.id).to == ASHA


def test_check_returns_validity_and_checks_left(client: Client) -> None:
    """A wrong code is counted, the correct one approves; the result works in an ``if``."""
    created = client.create(ASHA, code=CODE)
    wrong = client.check(created.id, "000000")
    assert (bool(wrong), wrong.valid, wrong.verification.checks_left) == (False, False, 4)
    right = client.check(created.id, CODE)
    assert (bool(right), right.valid, right.verification.status) == (True, True, "approved")
    assert right.verification.has_ended


def test_check_by_number_checks_the_newest_or_that_of_its_reference(client: Client) -> None:
    """Wrong, right, and closed with the verification; typed as a check by id."""
    older = client.create(ASHA, code=CODE, reference="older")
    newer = client.create(ASHA, code="710293", reference="newer")
    wrong = client.check_by_number(ASHA, CODE)
    assert (wrong.valid, wrong.verification.id, wrong.verification.checks_left) == (
        *(False, newer.id),
        4,
    )
    right = client.check_by_number(ASHA, CODE, reference="older")
    assert (bool(right), right.verification.id) == (True, older.id)
    assert right.receipt
    with pytest.raises(VerificationClosed) as closed:
        client.check_by_number(ASHA, CODE, reference="older")
    assert closed.value.verification == right.verification == client.get(older.id)


def test_payment_is_authorised_with_its_transaction_only(client: Client) -> None:
    """By id and by number; the object has it as it is spoken."""
    rent = Transaction("2500.00", "INR", "ACME & Sons")
    created = client.create(ASHA, code=CODE, transaction=rent)
    assert created.transaction == Transaction("2500.00", "INR", "ACME Sons")
    assert "ACME" not in repr(created)
    assert client.get(created.id).transaction == created.transaction
    for wrong in (
        client.check(created.id, CODE),
        client.check(created.id, CODE, transaction=Transaction("2501", "INR", "ACME Sons")),
        client.check_by_number(ASHA, CODE),
    ):
        assert not wrong.valid
    assert wrong.verification.checks_left == 2
    right = client.check_by_number(ASHA, CODE, transaction=Transaction("2500", "INR", "ACME Sons"))
    assert right.valid
    assert client.create(ASHA, reference="another").transaction is None


def test_check_by_number_with_own_key_is_checked_once(client: Client) -> None:
    """Also after the verification has ended."""
    client.create(ASHA, code=CODE)
    first = client.check_by_number(ASHA, CODE, idempotency_key="check-1")
    assert client.check_by_number(ASHA, CODE, idempotency_key="check-1") == first
    with pytest.raises(ValueError, match="idempotency_key"):
        client.check_by_number(ASHA, CODE, idempotency_key="two words")


def test_look_up_and_approve_by_number(client: Client, url: str) -> None:
    """Pending and ended; unknown, malformed and another client's numbers raise."""
    created = client.create(ASHA, reference="login-81", call_after=200)
    for found in (client.look_up(ASHA), client.look_up(ASHA, reference="login-81")):
        assert found == client.get(created.id)
    approved = client.approve_by_number(ASHA, reference="login-81")
    assert (approved.id, approved.status) == (created.id, "approved")
    assert client.approve_by_number(ASHA) == client.look_up(ASHA) == approved
    unknown: list[Callable[[], object]] = [
        lambda: client.look_up("+919876543211"),
        lambda: client.look_up(ASHA, reference="login-82"),
        lambda: client.approve_by_number("+919876543211"),
        lambda: client.check_by_number("+919876543211", CODE),
        lambda: Client(url, BANK_KEY).look_up(ASHA),
    ]
    for send in unknown:
        with pytest.raises(NotFound):
            send()
    with pytest.raises(NumberRefused) as refused:
        client.look_up("09876543210")
    assert refused.value.code == "invalid_number"


def test_call_makes_a_delayed_call_due(client: Client) -> None:
    created = client.create(ASHA, code=CODE, call_after=200)
    coming = client.call(created.id, route="c2c", locale="hi")
    assert [call.id for call in coming.calls] == [call.id for call in created.calls]
    assert coming.calls[0].due_at < created.calls[0].due_at


@pytest.mark.parametrize(("end", "status"), [("cancel", "canceled"), ("approve", "approved")])
def test_end_is_idempotent_and_final(
    client: Client, dialer: ManualDialer, end: str, status: str
) -> None:
    """The same end succeeds again, the other one raises; no call is placed."""
    created = client.create(ASHA)
    end_it: Callable[[str], object] = getattr(client, end)
    other: Callable[[str], object] = {"cancel": client.approve, "approve": client.cancel}[end]
    assert end_it(created.id) == end_it(created.id) == client.get(created.id)
    assert client.get(created.id).status == status
    with pytest.raises(VerificationClosed) as closed:
        other(created.id)
    assert closed.value.verification == client.get(created.id)
    assert dialer.has_nothing_due()


def test_refusal_raises_its_class(client: Client, url: str) -> None:
    """The error has the stable code, the HTTP status and the request id."""
    ended = client.cancel(client.create(ASHA).id)
    client.create(ASHA, reference="a", idempotency_key="k")

    def another_body() -> None:
        client.create(ASHA, reference="b", idempotency_key="k")

    refused: list[tuple[type[ApiError], str, int, Callable[[], object]]] = [
        (Unauthorized, "unauthorized", 401, lambda: Client(url, "ovk_unknown").get(ended.id)),
        (NotFound, "not_found", 404, lambda: client.get(UNKNOWN)),
        (NotFound, "not_found", 404, lambda: Client(url, BANK_KEY).get(ended.id)),
        (NotFound, "not_found", 404, lambda: client.get("../../healthz")),
        (VerificationClosed, "verification_closed", 409, lambda: client.check(ended.id, CODE)),
        (VerificationClosed, "verification_closed", 409, lambda: client.call(ended.id)),
        (NumberRefused, "invalid_number", 422, lambda: client.create("+9112")),
        (NumberRefused, "number_not_allowed", 422, lambda: client.create("+14155552671")),
        (InvalidRequest, "invalid_request", 422, lambda: client.create(ASHA, ttl=1)),
        (InvalidRequest, "invalid_request", 422, lambda: client.check(ended.id, "१२३४५६")),
        (InvalidRequest, "idempotency_mismatch", 422, another_body),
    ]
    for error_type, code, status, send in refused:
        with pytest.raises(error_type) as error:
            send()
        assert type(error.value) is error_type
        assert (error.value.code, error.value.status) == (code, status)
        assert error.value.request_id
        assert str(error.value) == error.value.detail


def test_refusal_has_its_evidence(client: Client) -> None:
    with pytest.raises(InvalidRequest) as invalid:
        client.create(ASHA, locale="_")
    (fault,) = invalid.value.errors
    assert (fault.pointer, "BCP 47" in fault.detail) == ("/locale", True)
    for number in ("+919876500001", "+919876500002"):
        client.create(number, ip="9.9.9.9")
    with pytest.raises(RateLimited) as limited:
        client.create("+919876500003", ip="9.9.9.9")
    assert (limited.value.limit or "").startswith("calls_per_ip")
    assert 3500 < (limited.value.retry_after or 0) <= 3600


@pytest.mark.usefixtures("redis")
def test_create_without_a_dialer_raises_at_once(url: str) -> None:
    """The ``Retry-After`` of the 503 exceeds the timeout."""
    with Client(url, LOGIN_KEY, timeout=1) as hurried, pytest.raises(Unavailable) as error:
        hurried.create(ASHA)
    assert (error.value.code, error.value.retry_after) == ("calls_unavailable", 5)


def test_own_idempotency_key_makes_one_request(client: Client, redis: Redis) -> None:
    """The same key returns the same verification, also from another process."""
    first = client.create(ASHA, idempotency_key="login-81-1")
    client.cancel(first.id)
    assert client.create(ASHA, idempotency_key="login-81-1").id == first.id
    assert len(redis.keys("*:verification:*")) == 1
    assert client.create(ASHA).id != first.id


def test_threads_share_a_client(client: Client) -> None:
    numbers = [f"+9198765{n:05}" for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(client.create, numbers))
    assert [each.to for each in created] == numbers
    assert len({each.id for each in created}) == 40


@pytest.mark.parametrize("url", ["otp.example.com", "ftp://otp.example.com", ""])
def test_invalid_address_raises(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        Client(url, LOGIN_KEY)


@pytest.mark.parametrize("credential", ["", "ovk_x\n", "ovk x", "ovk_\u0967"])
def test_invalid_credential_raises_without_quoting_it(credential: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII") as error:
        Client("http://127.0.0.1:1", credential)
    assert "ovk" not in str(error.value)


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "क", "k\n"])
def test_invalid_idempotency_key_raises(key: str) -> None:
    with pytest.raises(ValueError, match="idempotency_key"):
        Client("http://127.0.0.1:1", LOGIN_KEY).create(ASHA, idempotency_key=key)
