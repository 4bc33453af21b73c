"""Lost requests and responses, and slow servers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from client.faulty_proxy import (
    Fault,
    ProxiedRequest,
    cut_reply,
    drop_reply,
    drop_request,
    forward_and_hang,
    forward_then,
    pass_through,
    reply_problem,
    reply_with,
    running_proxy,
    trickle_reply,
)
from redis import Redis
from support.service import ASHA, LOGIN_KEY
from support.stack import ApiProcess

from otpvoice_client import Client, ConnectionFailed, OtpvoiceError, Unavailable, VerificationClosed

CODE = "482913"
UNKNOWN_EFFECT: dict[str, Fault] = {
    "no response": drop_reply,
    "half a response": cut_reply,
    "silence": forward_and_hang,
    "one byte at a time": trickle_reply,
    "503 of the service": forward_then(reply_problem(503, "store_unavailable", retry_after=0)),
    "502 of a proxy": forward_then(reply_with(502, b"<html>", "text/html")),
    "504 of a proxy": forward_then(reply_with(504, b"", "text/plain")),
    "409, request in progress": forward_then(reply_problem(409, "idempotency_in_progress")),
}
"""The request took effect, but the client does not get the response."""


@pytest.fixture(params=UNKNOWN_EFFECT)
def response_fault(request: pytest.FixtureRequest) -> Fault:
    """One way to lose a response."""
    return UNKNOWN_EFFECT[request.param]


@contextmanager
def faulty_network(
    served: ApiProcess, *faults: Fault, **timeouts: float
) -> Iterator[tuple[Client, list[ProxiedRequest]]]:
    """Connect a client with a short timeout for one attempt; list the requests that arrive."""
    timeouts = {"attempt_timeout": 0.5, "timeout": 8, **timeouts}
    with (
        running_proxy(served.port, *faults) as proxy,
        Client(proxy.url, LOGIN_KEY, **timeouts) as client,
    ):
        yield client, proxy.requests


def idempotency_keys(requests: list[ProxiedRequest]) -> set[Any]:
    """Return the idempotency keys of requests."""
    return {proxied.headers["Idempotency-Key"] for proxied in requests}


def test_retried_create_makes_one_call(
    client: Client, served: ApiProcess, redis: Redis, response_fault: Fault
) -> None:
    with faulty_network(served, response_fault) as (backend, requests):
        created = backend.create(ASHA)
    assert len(requests) >= 2
    assert client.get(created.id) == created
    assert redis.zcard("{otpvoice}:queue") == 1
    assert [len(redis.keys(f"*:{kind}:*")) for kind in ("verification", "call")] == [1, 1]


def test_retried_create_returns_a_verification_that_has_ended(
    client: Client, served: ApiProcess, redis: Redis, response_fault: Fault
) -> None:
    """The second attempt returns the verification of the first, now canceled."""

    def cancel_before(proxied: ProxiedRequest) -> None:
        created = client.create(ASHA, idempotency_key=proxied.headers["Idempotency-Key"])
        client.cancel(created.id)
        response_fault(proxied)

    with faulty_network(served, cancel_before) as (backend, _):
        created = backend.create(ASHA)
    assert created.status == "canceled"
    assert redis.zcard("{otpvoice}:queue") == 0
    assert [len(redis.keys(f"*:{kind}:*")) for kind in ("verification", "call")] == [1, 1]


def test_retried_check_is_counted_once(
    client: Client, served: ApiProcess, response_fault: Fault
) -> None:
    created = client.create(ASHA, code=CODE)
    with faulty_network(served, response_fault) as (backend, requests):
        checked = backend.check(created.id, "000000")
    assert (checked.valid, checked.verification.checks_left) == (False, 4)
    assert len(requests) >= 2


def test_retried_check_by_number_returns_its_first_result(
    client: Client, served: ApiProcess
) -> None:
    """A right code is valid; with one key for all attempts."""
    created = client.create(ASHA, code=CODE)
    with faulty_network(served, drop_reply) as (backend, requests):
        checked = backend.check_by_number(ASHA, CODE)
    assert (checked.valid, checked.verification) == (True, client.get(created.id))
    assert len(requests) == 2
    assert len(idempotency_keys(requests) - {None}) == 1


def test_retried_call_adds_no_second_call(client: Client, served: ApiProcess, redis: Redis) -> None:
    created = client.create(ASHA, code=CODE, call_after=200)
    with faulty_network(served, drop_reply) as (backend, _):
        coming = backend.call(created.id)
    assert len(coming.calls) == 1
    assert redis.zcard("{otpvoice}:queue") == 1


@pytest.mark.parametrize("end", ["cancel", "approve"])
def test_retried_end_succeeds(client: Client, served: ApiProcess, end: str) -> None:
    created = client.create(ASHA)
    with faulty_network(served, drop_reply) as (backend, _):
        ended = getattr(backend, end)(created.id)
    assert ended == client.get(created.id)
    assert ended.has_ended


def test_attempts_of_a_request_share_an_idempotency_key(client: Client, served: ApiProcess) -> None:
    """Each request has its own key; requests that are idempotent by nature have none."""
    created = client.create(ASHA, code=CODE)
    faults = [drop_reply, pass_through] * 5
    with faulty_network(served, *faults, attempt_timeout=5) as (backend, requests):
        backend.create(ASHA, code=CODE)
        backend.check(created.id, "000000")
        backend.call(created.id)
        backend.get(created.id)
        backend.cancel(created.id)
    assert len(requests) == 10
    keys = [idempotency_keys(requests[at : at + 2]) for at in range(0, 10, 2)]
    assert [len(of_request) for of_request in keys] == [1] * 5
    assert keys[3:] == [{None}] * 2
    assert len(set.union(*keys) - {None}) == 3


def test_own_idempotency_key_is_sent(served: ApiProcess, client: Client) -> None:
    created = client.create(ASHA, code=CODE)
    with faulty_network(served, drop_reply) as (backend, requests):
        backend.create(ASHA, code=CODE, idempotency_key="mine")
        backend.check(created.id, "000000", idempotency_key="mine")
        backend.call(created.id, idempotency_key="mine")
    assert idempotency_keys(requests) == {"mine"}


def test_check_after_another_approval_raises_verification_closed(
    client: Client, served: ApiProcess
) -> None:
    """Another check approved it, so this one does not prove anything."""
    created = client.create(ASHA, code=CODE)
    with faulty_network(served, drop_request) as (backend, _):
        client.check(created.id, CODE)
        with pytest.raises(VerificationClosed) as closed:
            backend.check(created.id, CODE)
    assert closed.value.verification == client.get(created.id)


@pytest.mark.usefixtures("client")
def test_request_is_attempted_three_times_at_most(served: ApiProcess) -> None:
    with (
        faulty_network(served, *[drop_request] * 9) as (backend, requests),
        pytest.raises(ConnectionFailed, match="no response") as raised,
    ):
        backend.create(ASHA)
    assert raised.value.is_retryable
    assert len(requests) == 3


@pytest.mark.parametrize(
    "fault", [forward_and_hang, trickle_reply], ids=["silence", "a byte at a time"]
)
def test_timeouts_bound_attempts_and_method(
    client: Client, served: ApiProcess, fault: Fault
) -> None:
    """Neither one attempt nor all together exceed their timeout."""
    created = client.create(ASHA)
    for timeouts in ({"timeout": 0.9}, {"attempt_timeout": 5, "timeout": 0.5}):
        began = time.monotonic()
        with faulty_network(served, *[fault] * 9, **timeouts) as (backend, _):
            with pytest.raises(ConnectionFailed):
                backend.get(created.id)
            assert time.monotonic() - began < 10


def test_retry_after_delays_the_next_attempt(client: Client, served: ApiProcess) -> None:
    """If it exceeds the timeout, there is no further attempt."""
    created = client.create(ASHA)
    busy = reply_problem(503, "store_unavailable", retry_after=1)
    began = time.monotonic()
    with faulty_network(served, busy) as (backend, _):
        assert backend.get(created.id) == created
    assert time.monotonic() - began >= 1
    with (
        faulty_network(served, busy, timeout=0.9) as (backend, requests),
        pytest.raises(Unavailable) as error,
    ):
        backend.get(created.id)
    assert (error.value.retry_after, len(requests)) == (1, 1)


def test_retry_after_of_a_proxy_is_used(served: ApiProcess, client: Client) -> None:
    """It is read from the header, because a proxy sends no document."""
    created = client.create(ASHA)
    away = reply_with(503, b"", "text/html", retry_after="30")
    with (
        faulty_network(served, away) as (backend, requests),
        pytest.raises(ConnectionFailed) as error,
    ):
        backend.get(created.id)
    assert (error.value.retry_after, len(requests)) == (30, 1)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (409, "verification_closed"),
        (409, "too_late"),
        (422, "idempotency_mismatch"),
        (429, "rate_limited"),
        (429, "too_many_wrong_codes"),
        (500, "internal_error"),
    ],
)
def test_refusal_is_not_retried(served: ApiProcess, status: int, code: str) -> None:
    fault = reply_problem(status, code, retry_after=0)
    with (
        faulty_network(served, fault) as (backend, requests),
        pytest.raises(OtpvoiceError),
    ):
        backend.create(ASHA)
    assert len(requests) == 1
