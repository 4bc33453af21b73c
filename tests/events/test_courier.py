"""Telling events to a real receiver, which proves each with the library and may misbehave."""

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from events.receiver import NEW_SECRET, OLD_SECRET, Client
from events.telling import Telling, told_at
from providers.connect_proxy import connect_proxy
from redis import Redis
from system.processes import free_port
from system.store_proxy import StoreProxy
from world import ASHA, BANK_KEY, LOGIN_KEY

from otpvoice.core.verification import Verification
from otpvoice.events.dispatcher import AT_ONCE, PAUSES, Courier, Receiver
from otpvoice.http_client.client import HttpClient
from otpvoice.settings import load
from otpvoice.store.url import connect

LONGEST = 1.2
"""A pause is at most so many times as long as it says."""


def begins_and_ends(telling: Telling, to: str = ASHA, key: str = LOGIN_KEY) -> str:
    """A verification with two events: its call is off, and it is canceled."""
    verification_id = telling.asks(key, to, call_after=100, reference="login-81")
    telling.ends(key, verification_id)
    return verification_id


@contextmanager
def running(telling: Telling) -> Iterator[None]:
    """The courier at work."""
    stopping = threading.Event()
    thread = threading.Thread(target=telling.courier.run, args=(stopping,))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(15)
        assert not thread.is_alive()


# What is told ------------------------------------------------------------------------------------


def test_an_event_is_signed_and_says_what_happened(telling: Telling, client: Client) -> None:
    """Type, time, sequence, and the object as an app sees it: the number masked, no limit."""
    verification_id = begins_and_ends(telling)
    telling.tells()
    call, canceled = client.hears(2)
    assert (call.type, canceled.type) == ("call.canceled", "verification.canceled")
    assert canceled.id == f"evt_{verification_id[4:]}_{canceled.sequence}"
    answer = telling.http.get(
        f"/v1/verifications/{verification_id}", headers={"Authorization": f"Bearer {LOGIN_KEY}"}
    )
    assert canceled.data == answer.get_json() | {"to": "+91******3210"}
    assert canceled.data["version"] == canceled.sequence == call.sequence + 1
    assert canceled.timestamp == canceled.data["ended_at"]
    assert canceled.headers["content-type"] == "application/json"
    assert client.faults == []


@pytest.mark.parametrize("secret", [NEW_SECRET, OLD_SECRET])
def test_either_of_two_secrets_proves_it(telling_of: Callable[..., Telling], secret: str) -> None:
    """While a secret is rotated, a client that knows only one of them is told as before."""
    with Client(secret) as client:
        telling = telling_of(**told_at(client, secret=f"{NEW_SECRET},{OLD_SECRET}"))
        begins_and_ends(telling)
        telling.tells()
        assert len(client.hears(2)) == 2
        assert client.faults == []


def test_a_wrong_secret_proves_nothing(telling_of: Callable[..., Telling]) -> None:
    """So the proofs above are worth something."""
    with Client(OLD_SECRET) as client:
        telling = telling_of(**told_at(client))
        begins_and_ends(telling)
        telling.tells()
        assert (len(client.told), len(client.faults)) == (0, 2)


# What comes again --------------------------------------------------------------------------------


def test_tries_are_spread_over_an_hour_and_then_over(telling: Telling, client: Client) -> None:
    """After 0, 5 s, 30 s, 2, 10 and 30 minutes under one id, signed anew, the same body; not
    a seventh time.
    """
    client.usually = 500
    begins_and_ends(telling)
    assert telling.tells() == 2
    for pause in PAUSES:
        telling.passes(pause - 1)
        assert telling.tells() == 0
        telling.passes(1 + pause * (LONGEST - 1))
        assert telling.tells() == 2
    telling.passes(7200)
    assert telling.tells() == 0
    tries = [told for told in client.hears(12) if told.type == "verification.canceled"]
    assert len(tries) == 1 + len(PAUSES)
    assert len({(told.id, told.raw) for told in tries}) == 1


@pytest.mark.parametrize("answer", [500, 503, 429, 404, 301, "redirect", "close"])
def test_whatever_is_no_2xx_comes_again(
    telling: Telling, client: Client, answer: int | str
) -> None:
    """Nobody is sent elsewhere; what was not taken is told again, and taken then."""
    client.answers = [answer, answer]
    begins_and_ends(telling)
    assert telling.tells() == 2
    telling.passes(5 * LONGEST)
    assert telling.tells() == 2
    telling.passes(7200)
    assert telling.tells() == 0
    told = client.hears(4)
    assert {each.id for each in told[:2]} == {each.id for each in told[2:]}
    assert client.faults == []


@pytest.mark.parametrize("answer", [200, 202, 299, "long"])
def test_2xx_is_enough(telling: Telling, client: Client, answer: int | str) -> None:
    """By its first line, however much follows: that is not read to its end."""
    client.usually = answer
    begins_and_ends(telling)
    assert telling.tells() == 2
    telling.passes(7200)
    assert telling.tells() == 0


def test_gone_is_the_last_word(telling: Telling, client: Client) -> None:
    """410: that event never comes again. The next one is tried, for it may be mended by then."""
    client.answers = [410, 410]
    begins_and_ends(telling)
    assert telling.tells() == 2
    telling.passes(7200)
    assert telling.tells() == 0
    begins_and_ends(telling, "+919876543211")
    assert telling.tells() == 2
    assert len(client.hears(4)) == 4


def test_nobody_listens_for_a_while(telling_of: Callable[..., Telling]) -> None:
    """A refused connection is a try that failed; the client that came back is told."""
    port = free_port()
    with Client(port=port) as away:
        pass
    telling = telling_of(**told_at(away))
    begins_and_ends(telling)
    assert telling.tells() == 2
    with Client(port=port) as back:
        telling.passes(6)
        assert telling.tells() == 2
        back.hears(2)


def test_a_try_that_never_ended_comes_again(telling: Telling, client: Client) -> None:
    """Taken by a process that died: after its lease another one tells it, under the same id."""
    begins_and_ends(telling)
    lost = telling.store.take_events({"login": 100}).events
    assert telling.tells() == 0
    telling.passes(21)
    assert telling.tells() == 2
    assert {told.id for told in client.hears(2)} == {event.id for event in lost}


def test_a_forgotten_number_is_told_to_nobody(
    telling: Telling, client: Client, redis: Redis
) -> None:
    """What an operator erased meanwhile is dropped, and is no fault."""
    verification_id = begins_and_ends(telling)
    redis.delete(f"{{otpvoice}}:verification:{verification_id}")
    assert telling.tells() == 2
    telling.passes(7200)
    assert telling.tells() == 0
    assert client.told == []


def test_a_process_without_the_key_leaves_it_to_others(
    telling_of: Callable[..., Telling], client: Client
) -> None:
    """While a key is rotated: who can not open the number tries later, or another one does."""
    telling = telling_of(**told_at(client))
    stranger = f"k9:{b64encode(b'another ring key than that of us').decode()}"
    behind = telling_of(**told_at(client), OTPVOICE_SECRETS_KEYS=stranger)
    begins_and_ends(telling)
    assert behind.tells() == 2
    assert client.told == []
    telling.passes(7)
    assert telling.tells() == 2
    client.hears(2)


# Who waits for whom ------------------------------------------------------------------------------


def test_running_it_tells_within_a_moment(telling: Telling, client: Client) -> None:
    """What happens is told by itself, each change once."""
    with running(telling):
        ids = {begins_and_ends(telling, f"+9198765432{n:02}") for n in range(20)}
        told = client.hears(40)
    assert len({each.id for each in client.told}) == len(client.told) == 40
    assert {each.data["id"] for each in told} == ids


def test_a_client_that_hangs_holds_nobody_else_up(
    telling_of: Callable[..., Telling], client: Client
) -> None:
    """It gets a few events at once and no more; others are told, though it never answers."""
    with Client(usually="hang") as hanging:
        telling = telling_of(**(told_at(hanging) | told_at(client, "BANK")))
        for n in range(10):
            begins_and_ends(telling, f"+9198765432{n:02}")
        with running(telling):
            hanging.hears(AT_ONCE)
            began = time.monotonic()
            for n in range(10):
                begins_and_ends(telling, f"+9198765432{n:02}", BANK_KEY)
            assert client.hears(20)[-1].at - began < 3
            assert len(hanging.told) == AT_ONCE
            hanging.lets_go()
            hanging.hears(20)


def test_no_answer_is_waited_for_long(telling: Telling, client: Client) -> None:
    """None in time is none; a head that came in time is one, though the rest never comes."""
    receiver = Receiver(client.url, (NEW_SECRET,))
    hurried = Courier(telling.store, {"login": receiver}, _show, HttpClient(), over_within=0.3)
    client.answers = ["hang", "slow"]
    begins_and_ends(telling)
    began = time.monotonic()
    for event in telling.store.take_events({"login": 100}).events:
        hurried.tell(event)
    assert 0.3 < time.monotonic() - began < 2
    telling.passes(21)
    assert telling.tells() == 1
    assert client.hears(3)[2].id == client.told[0].id


def _show(verification: Verification) -> dict[str, Any]:
    return {"id": verification.id}


def test_every_key_ends(telling: Telling, client: Client, redis: Redis) -> None:
    """While events wait, are tried, failed and dropped; and nothing is left of those told."""
    client.answers = [500]
    for step in (lambda: begins_and_ends(telling), telling.tells, telling.tells):
        step()
        kept = list(redis.scan_iter("*event*"))
        assert kept
        assert all(0 < redis.pttl(key) <= 86_400_000 for key in kept)
    telling.passes(7)
    assert telling.tells() == 1
    assert [*redis.scan_iter("*event*")] == []


def test_events_go_through_the_proxy(telling_of: Callable[..., Telling], client: Client) -> None:
    """With ``events.proxy`` each is delivered through a tunnel; a refused tunnel is tried again."""
    with connect_proxy() as proxy:
        proxy.response = b"HTTP/1.1 407 No\r\n\r\n"
        telling = telling_of(**told_at(client), OTPVOICE_EVENTS_PROXY=proxy.url)
        begins_and_ends(telling)
        assert telling.tells() == 2
        proxy.response = b""
        telling.passes(PAUSES[0] * LONGEST)
        assert telling.tells() == 2
        client.hears(2)
    assert bytes(proxy.relayed).count(b"POST ") == 2


def test_no_event_is_sent_after_the_stop(
    environ: dict[str, str], client: Client, redis: Redis, redis_url: str
) -> None:
    """Events that were taken and not sent are due again at once, and no try is counted."""
    settings = load(environ | told_at(client)).settings
    port = urlsplit(redis_url).port
    assert port is not None
    with StoreProxy(port) as proxy, closing(connect(proxy.url)) as slow:
        telling, stopping = Telling(settings, slow), threading.Event()
        telling.ends(LOGIN_KEY, telling.asks(LOGIN_KEY, ASHA))
        thread = threading.Thread(target=telling.courier.run, args=(stopping,))
        with proxy.holding("take_events") as held:
            thread.start()
            assert held.came.wait(5)
            stopping.set()
            held.let_go.set()
            thread.join(10)
            assert not thread.is_alive()
    assert client.told == []
    due: Any = redis.zrangebyscore("{otpvoice}:events:login", "-inf", time.time() * 1000)
    assert len(due) == 2  # canceled: the call and the verification
    assert [redis.hget(f"{{otpvoice}}:event:{each.decode()}", "tries") for each in due] == [
        b"0"
    ] * 2
    assert Telling(settings, redis).tells() == 2
    client.hears(2)
