"""Waiting for a state of a verification."""

import time

import pytest
from client.faulty_proxy import Fault, never_reply, reply_problem, reply_with, running_proxy
from client.samples import CALL, ENDED, PENDING, UNUSED_PORT
from support.service import LOGIN_KEY

from otpvoice_client import Client, NotFound, WaitTimeout

RINGING = PENDING | {"version": 2, "calls": [CALL | {"status": "placed"}]}
STORE_UNAVAILABLE: list[Fault] = [reply_problem(503, "store_unavailable", retry_after=0)] * 3


def responses(status: int, *documents: object) -> list[Fault]:
    """Return responses with this status, one for each poll."""
    return [reply_with(status, document) for document in documents]


def test_watch_yields_each_state_until_the_end() -> None:
    with running_proxy(UNUSED_PORT, *responses(200, RINGING, PENDING, PENDING, ENDED)) as proxy:
        states = list(Client(proxy.url, LOGIN_KEY).watch("vrf_01"))
    assert [each.status for each in states] == ["pending"] * 3 + ["approved"]
    assert [each.calls[-1].status for each in states] == ["placed"] + ["answered"] * 3


def test_watch_polls_at_the_interval_of_the_service() -> None:
    began = time.monotonic()
    with running_proxy(UNUSED_PORT, *responses(200, PENDING | {"poll_after": 0.4}, ENDED)) as proxy:
        Client(proxy.url, LOGIN_KEY).wait("vrf_01")
    assert time.monotonic() - began >= 0.4


def test_wait_returns_the_expected_state_or_the_end() -> None:
    with running_proxy(UNUSED_PORT, *responses(200, RINGING, PENDING, RINGING, ENDED)) as proxy:
        client = Client(proxy.url, LOGIN_KEY)
        answered = client.wait("vrf_01", until=lambda state: state.calls[-1].status == "answered")
        assert (answered.status, len(proxy.requests)) == ("pending", 2)
        ended = client.wait("vrf_01", until=lambda state: state.status == "expired")
    assert ended.status == "approved"


def test_failed_poll_is_skipped() -> None:
    """All its attempts failed; the next poll succeeds."""
    faults = [*responses(200, PENDING), *STORE_UNAVAILABLE, *responses(200, ENDED)]
    with running_proxy(UNUSED_PORT, *faults) as proxy:
        ended = Client(proxy.url, LOGIN_KEY).wait("vrf_01")
    assert (ended.status, len(proxy.requests)) == ("approved", 5)


def test_refused_poll_raises() -> None:
    faults = [*responses(200, PENDING), reply_problem(404, "not_found")]
    with running_proxy(UNUSED_PORT, *faults) as proxy, pytest.raises(NotFound):
        Client(proxy.url, LOGIN_KEY).wait("vrf_01")


def test_wait_timeout_has_the_latest_state() -> None:
    with running_proxy(UNUSED_PORT, *responses(200, RINGING), *[never_reply] * 9) as proxy:
        began = time.monotonic()
        with pytest.raises(WaitTimeout, match="vrf_01 is still pending") as still:
            Client(proxy.url, LOGIN_KEY).wait("vrf_01", timeout=0.6)
        assert time.monotonic() - began < 10
    assert still.value.verification.version == 2
