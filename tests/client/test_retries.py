"""Requests and answers that are lost on the way, and servers that take their time."""

import time
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

from otpvoice.client import Client, ConnectionFailed, OtpvoiceError, Unavailable, VerificationClosed

CODE = "482913"
UNKNOWN_EFFECT: dict[str, Fault] = {
    "cut off": drop_reply,
    "half an answer": cut_reply,
    "silence": forward_and_hang,
    "one byte after the other": trickle_reply,
    "503 of the service": forward_then(reply_problem(503, "store_unavailable", retry_after=0)),
    "502 of a proxy": forward_then(reply_with(502, b"<html>", "text/html")),
    "504 of a proxy": forward_then(reply_with(504, b"", "text/plain")),
    "409, it is still being answered": forward_then(reply_problem(409, "idempotency_in_progress")),
}
"""The request took effect, and the client does not know."""


@pytest.fixture(params=UNKNOWN_EFFECT)
def response_fault(request: pytest.FixtureRequest) -> Fault:
    """One way to lose an answer."""
    return UNKNOWN_EFFECT[request.param]


def impatient_client(url: str, **timeouts: float) -> Client:
    """A client that gives up on an answer soon, and repeats."""
    return Client(url, LOGIN_KEY, **{"attempt_timeout": 0.5, "timeout": 8, **timeouts})


def idempotency_keys(requests: list[ProxiedRequest]) -> set[Any]:
    """The idempotency keys that came."""
    return {proxied.headers["Idempotency-Key"] for proxied in requests}


def test_a_repeated_create_makes_no_second_call(
    client: Client, served: ApiProcess, redis: Redis, response_fault: Fault
) -> None:
    """One call is queued, whatever became of the first answer."""
    with (
        running_proxy(served.port, response_fault) as front,
        impatient_client(front.url) as fronted,
    ):
        begun = fronted.create(ASHA)
    assert len(front.requests) >= 2
    assert client.get(begun.id) == begun
    assert redis.zcard("{otpvoice}:queue") == 1
    assert [len(redis.keys(f"*:{kind}:*")) for kind in ("verification", "call")] == [1, 1]


def test_not_even_when_it_has_ended_meanwhile(
    client: Client, served: ApiProcess, redis: Redis, response_fault: Fault
) -> None:
    """The verification of the first try is the answer to the second, canceled as it is."""

    def cancels_before(proxied: ProxiedRequest) -> None:
        begun = client.create(ASHA, idempotency_key=proxied.headers["Idempotency-Key"])
        client.cancel(begun.id)
        response_fault(proxied)

    with (
        running_proxy(served.port, cancels_before) as front,
        impatient_client(front.url) as fronted,
    ):
        begun = fronted.create(ASHA)
    assert begun.status == "canceled"
    assert redis.zcard("{otpvoice}:queue") == 0
    assert [len(redis.keys(f"*:{kind}:*")) for kind in ("verification", "call")] == [1, 1]


def test_a_repeated_check_counts_once(
    client: Client, served: ApiProcess, response_fault: Fault
) -> None:
    """The same wrong code costs one of the checks."""
    begun = client.create(ASHA, code=CODE)
    with (
        running_proxy(served.port, response_fault) as front,
        impatient_client(front.url) as fronted,
    ):
        checked = fronted.check(begun.id, "000000")
    assert (checked.valid, checked.verification.checks_left) == (False, 4)
    assert len(front.requests) >= 2


def test_a_repeated_call_adds_no_second_one(
    client: Client, served: ApiProcess, redis: Redis
) -> None:
    """A call that comes is enough."""
    begun = client.create(ASHA, code=CODE, call_after=200)
    with running_proxy(served.port, drop_reply) as front, impatient_client(front.url) as fronted:
        coming = fronted.call(begun.id)
    assert len(coming.calls) == 1
    assert redis.zcard("{otpvoice}:queue") == 1


@pytest.mark.parametrize("end", ["cancel", "approve"])
def test_a_repeated_end_is_the_same_end(client: Client, served: ApiProcess, end: str) -> None:
    """200 again."""
    begun = client.create(ASHA)
    with running_proxy(served.port, drop_reply) as front, impatient_client(front.url) as fronted:
        ended = getattr(fronted, end)(begun.id)
    assert ended == client.get(begun.id)
    assert ended.has_ended


def test_every_try_of_a_request_has_its_key(client: Client, served: ApiProcess) -> None:
    """One key for all tries of one request, another for the next; what needs none has none."""
    begun = client.create(ASHA, code=CODE)
    fates = [drop_reply, pass_through] * 5
    with running_proxy(served.port, *fates) as front, Client(front.url, LOGIN_KEY) as fronted:
        fronted.create(ASHA, code=CODE)
        fronted.check(begun.id, "000000")
        fronted.call(begun.id)
        fronted.get(begun.id)
        fronted.cancel(begun.id)
    assert len(front.requests) == 10
    keys = [idempotency_keys(front.requests[at : at + 2]) for at in range(0, 10, 2)]
    assert [len(of_request) for of_request in keys] == [1] * 5
    assert keys[3:] == [{None}] * 2
    assert len(set.union(*keys) - {None}) == 3


def test_a_key_of_ones_own_is_kept(served: ApiProcess, client: Client) -> None:
    """On all three that take one."""
    begun = client.create(ASHA, code=CODE)
    with running_proxy(served.port, drop_reply) as front, impatient_client(front.url) as fronted:
        fronted.create(ASHA, code=CODE, idempotency_key="mine")
        fronted.check(begun.id, "000000", idempotency_key="mine")
        fronted.call(begun.id, idempotency_key="mine")
    assert idempotency_keys(front.requests) == {"mine"}


def test_closed_by_an_answer_that_was_lost(client: Client, served: ApiProcess) -> None:
    """Whose check approved it is not known, so it is no proof: refused, and shown as it is."""
    begun = client.create(ASHA, code=CODE)
    with running_proxy(served.port, drop_request) as front, impatient_client(front.url) as fronted:
        client.check(begun.id, CODE)
        with pytest.raises(VerificationClosed) as closed:
            fronted.check(begun.id, CODE)
    assert closed.value.verification == client.get(begun.id)


@pytest.mark.usefixtures("client")
def test_three_tries_at_most(served: ApiProcess) -> None:
    """Then it is told that nothing is known."""
    with (
        running_proxy(served.port, *[drop_request] * 9) as front,
        impatient_client(front.url) as fronted,
        pytest.raises(ConnectionFailed, match="no answer") as raised,
    ):
        fronted.create(ASHA)
    assert raised.value.is_retryable
    assert len(front.requests) == 3


@pytest.mark.parametrize(
    "fate", [forward_and_hang, trickle_reply], ids=["silence", "a byte now and then"]
)
def test_the_time_is_kept(client: Client, served: ApiProcess, fate: Fault) -> None:
    """No try, and not all of them together, take longer than they may."""
    begun = client.create(ASHA)
    with running_proxy(served.port, *[fate] * 9) as front:
        for patience in ({"timeout": 0.9}, {"attempt_timeout": 5, "timeout": 0.5}):
            began = time.monotonic()
            with (
                impatient_client(front.url, **patience) as fronted,
                pytest.raises(ConnectionFailed),
            ):
                fronted.get(begun.id)
            assert time.monotonic() - began < 2.5


def test_a_wait_that_is_asked_for_is_kept(client: Client, served: ApiProcess) -> None:
    """The next try comes when the service said; or not at all, if that is too late."""
    begun = client.create(ASHA)
    busy = reply_problem(503, "store_unavailable", retry_after=1)
    began = time.monotonic()
    with running_proxy(served.port, busy) as front, impatient_client(front.url) as fronted:
        assert fronted.get(begun.id) == begun
    assert time.monotonic() - began >= 1
    with (
        running_proxy(served.port, busy) as front,
        impatient_client(front.url, timeout=0.9) as fronted,
        pytest.raises(Unavailable) as error,
    ):
        fronted.get(begun.id)
    assert (error.value.retry_after, len(front.requests)) == (1, 1)


def test_a_proxys_wait_is_kept_too(served: ApiProcess, client: Client) -> None:
    """From its header, because it writes no document."""
    begun = client.create(ASHA)
    away = reply_with(503, b"", "text/html", retry_after="30")
    with (
        running_proxy(served.port, away) as front,
        impatient_client(front.url) as fronted,
        pytest.raises(ConnectionFailed) as error,
    ):
        fronted.get(begun.id)
    assert (error.value.retry_after, len(front.requests)) == (30, 1)


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
def test_a_refusal_is_not_repeated(served: ApiProcess, status: int, code: str) -> None:
    """It would be refused again."""
    fate = reply_problem(status, code, retry_after=0)
    with (
        running_proxy(served.port, fate) as front,
        impatient_client(front.url) as fronted,
        pytest.raises(OtpvoiceError),
    ):
        fronted.create(ASHA)
    assert len(front.requests) == 1
