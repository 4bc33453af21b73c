"""Waiting for what becomes of a verification."""

import time

import pytest
from client.faulty_proxy import Fault, never_reply, reply_problem, reply_with, running_proxy
from client.samples import CALL, ENDED, PENDING, UNUSED_PORT
from support.service import LOGIN_KEY

from otpvoice.client import Client, NotFound, WaitTimeout

RINGING = PENDING | {"version": 2, "calls": [CALL | {"status": "placed"}]}
STORE_UNAVAILABLE: list[Fault] = [reply_problem(503, "store_unavailable", retry_after=0)] * 3


def responses(status: int, *documents: object) -> list[Fault]:
    """Answers of this status, one for each look."""
    return [reply_with(status, document) for document in documents]


def test_watched_until_it_has_ended() -> None:
    """One for every look, the ended one last."""
    with running_proxy(UNUSED_PORT, *responses(200, RINGING, PENDING, PENDING, ENDED)) as front:
        seen = list(Client(front.url, LOGIN_KEY).watch("vrf_01"))
    assert [each.status for each in seen] == ["pending"] * 3 + ["approved"]
    assert [each.calls[-1].status for each in seen] == ["placed"] + ["answered"] * 3


def test_the_service_says_how_often() -> None:
    """Not sooner than ``poll_after`` seconds later."""
    began = time.monotonic()
    with running_proxy(UNUSED_PORT, *responses(200, PENDING | {"poll_after": 0.4}, ENDED)) as front:
        Client(front.url, LOGIN_KEY).wait("vrf_01")
    assert 0.4 <= time.monotonic() - began < 2


def test_waited_for_what_is_wanted() -> None:
    """Or for the end, if that comes first."""
    with running_proxy(UNUSED_PORT, *responses(200, RINGING, PENDING, RINGING, ENDED)) as front:
        client = Client(front.url, LOGIN_KEY)
        answered = client.wait("vrf_01", until=lambda seen: seen.calls[-1].status == "answered")
        assert (answered.status, len(front.requests)) == ("pending", 2)
        ended = client.wait("vrf_01", until=lambda seen: seen.status == "expired")
    assert ended.status == "approved"


def test_a_failed_look_is_passed_over() -> None:
    """All its tries were in vain: the next one is as good."""
    fates = [*responses(200, PENDING), *STORE_UNAVAILABLE, *responses(200, ENDED)]
    with running_proxy(UNUSED_PORT, *fates) as front:
        ended = Client(front.url, LOGIN_KEY).wait("vrf_01")
    assert (ended.status, len(front.requests)) == ("approved", 5)


def test_a_refusal_is_not_passed_over() -> None:
    """It would be the same at the next look."""
    fates = [*responses(200, PENDING), reply_problem(404, "not_found")]
    with running_proxy(UNUSED_PORT, *fates) as front, pytest.raises(NotFound):
        Client(front.url, LOGIN_KEY).wait("vrf_01")


def test_the_time_is_over() -> None:
    """Told with what was last seen, and not much later, though the looks hang."""
    with running_proxy(UNUSED_PORT, *responses(200, RINGING), *[never_reply] * 9) as front:
        began = time.monotonic()
        with pytest.raises(WaitTimeout, match="vrf_01 is still pending") as still:
            Client(front.url, LOGIN_KEY).wait("vrf_01", timeout=0.6)
        assert time.monotonic() - began < 2.5
    assert still.value.verification.version == 2
