"""The methods of the client, against the API."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from api.api_client import UNKNOWN, ManualDialer
from client.faulty_proxy import running_proxy
from redis import Redis
from support.service import ASHA, BANK_KEY, LOGIN_KEY

from otpvoice.client import (
    ApiError,
    Client,
    InvalidRequest,
    NotFound,
    NumberRefused,
    RateLimited,
    Unauthorized,
    Unavailable,
    VerificationClosed,
)

CODE = "482913"


def test_a_created_verification_is_whole(client: Client) -> None:
    """Every member of the contract is there, with times that know their zone."""
    begun = client.create(ASHA, reference="login-81", locale="hi-IN", ttl=120)
    assert (begun.to, begun.status, begun.reference) == (ASHA, "pending", "login-81")
    assert begun.expires_at - begun.created_at == timedelta(seconds=120)
    assert abs(begun.created_at - datetime.now(UTC)) < timedelta(seconds=5)
    assert (begun.ended_at, begun.has_ended, begun.checks_left) == (None, False, 5)
    (call,) = begun.calls
    assert (call.status, call.route, call.locale) == ("queued", "obd", "hi")
    assert begun.next.check.allowed
    assert (begun.next.call.allowed, begun.next.call.reason) == (False, "call_in_progress")
    assert client.get(begun.id) == begun


def test_what_was_given_arrives(client: Client, dialer: ManualDialer) -> None:
    """Number, code, name and route are those that are dialed."""
    client.create(ASHA, name="Asha", code=CODE, route="c2c", call_after=0, ip="203.0.113.9")
    claim = dialer.claim()
    assert dialer.decrypt(claim) == (ASHA, CODE, "Asha")
    assert claim.route == "c2c"


def test_only_what_was_given_is_sent(client: Client, url: str) -> None:
    """What is not said is the service's to choose."""
    with (
        running_proxy(int(url.rpartition(":")[2])) as front,
        Client(front.url, LOGIN_KEY) as fronted,
    ):
        begun = fronted.create(ASHA, call_after=0)
        fronted.call(begun.id)
    assert [proxied.body for proxied in front.requests] == [{"to": ASHA, "call_after": 0}, {}]
    assert client.get(begun.id).to == ASHA


def test_codes(client: Client) -> None:
    """A wrong one is told and counted, the right one is proof; an ``if`` sees the difference."""
    begun = client.create(ASHA, code=CODE)
    wrong = client.check(begun.id, "000000")
    assert (bool(wrong), wrong.valid, wrong.verification.checks_left) == (False, False, 4)
    right = client.check(begun.id, CODE)
    assert (bool(right), right.valid, right.verification.status) == (True, True, "approved")
    assert right.verification.has_ended


def test_a_delayed_call_is_brought_forward(client: Client) -> None:
    """The person did not want to wait for the SMS any longer."""
    begun = client.create(ASHA, code=CODE, call_after=200)
    coming = client.call(begun.id, route="c2c", locale="hi")
    assert [call.id for call in coming.calls] == [call.id for call in begun.calls]
    assert coming.calls[0].due_at < begun.calls[0].due_at


@pytest.mark.parametrize(("end", "status"), [("cancel", "canceled"), ("approve", "approved")])
def test_ends(client: Client, dialer: ManualDialer, end: str, status: str) -> None:
    """Ended as asked, again and again, and not the other way; nobody is called any more."""
    begun = client.create(ASHA)
    step: Callable[[str], object] = getattr(client, end)
    other: Callable[[str], object] = {"cancel": client.approve, "approve": client.cancel}[end]
    assert step(begun.id) == step(begun.id) == client.get(begun.id)
    assert client.get(begun.id).status == status
    with pytest.raises(VerificationClosed) as closed:
        other(begun.id)
    assert closed.value.verification == client.get(begun.id)
    assert dialer.has_nothing_due()


def test_every_refusal_has_its_class(client: Client, url: str) -> None:
    """With the stable code, the HTTP status, and the id of the request."""
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
    for kind, code, status, ask in refused:
        with pytest.raises(kind) as error:
            ask()
        assert type(error.value) is kind
        assert (error.value.code, error.value.status) == (code, status)
        assert error.value.request_id
        assert str(error.value) == error.value.detail


def test_a_refusal_carries_its_evidence(client: Client) -> None:
    """Which member is at fault; which limit holds, and for how long."""
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
def test_nobody_dials(url: str) -> None:
    """503, and the wait that the service asks for does not fit: told at once."""
    with Client(url, LOGIN_KEY, timeout=1) as hurried, pytest.raises(Unavailable) as error:
        hurried.create(ASHA)
    assert (error.value.code, error.value.retry_after) == ("calls_unavailable", 5)


def test_the_same_request_again(client: Client, redis: Redis) -> None:
    """A key of one's own makes it one request, in another process too."""
    first = client.create(ASHA, idempotency_key="login-81-1")
    client.cancel(first.id)
    assert client.create(ASHA, idempotency_key="login-81-1").id == first.id
    assert len(redis.keys("*:verification:*")) == 1
    assert client.create(ASHA).id != first.id


def test_many_threads_share_a_client(client: Client) -> None:
    """Each gets the answer to its own question."""
    numbers = [f"+9198765{n:05}" for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(client.create, numbers))
    assert [each.to for each in begun] == numbers
    assert len({each.id for each in begun}) == 40


@pytest.mark.parametrize("url", ["otp.example.com", "ftp://otp.example.com", ""])
def test_a_wrong_address_is_refused_at_once(url: str) -> None:
    """Before any request."""
    with pytest.raises(ValueError, match="http"):
        Client(url, LOGIN_KEY)


@pytest.mark.parametrize("credential", ["", "ovk_x\n", "ovk x", "ovk_\u0967"])
def test_a_credential_that_no_header_carries(credential: str) -> None:
    """Refused at once, and not quoted."""
    with pytest.raises(ValueError, match="visible ASCII") as error:
        Client("http://127.0.0.1:1", credential)
    assert "ovk" not in str(error.value)


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "क", "k\n"])
def test_an_idempotency_key_that_is_none(key: str) -> None:
    """Refused before anything is sent."""
    with pytest.raises(ValueError, match="idempotency_key"):
        Client("http://127.0.0.1:1", LOGIN_KEY).create(ASHA, idempotency_key=key)
