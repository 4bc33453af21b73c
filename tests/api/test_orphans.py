"""Callbacks that do not say which call they are about: the one live call, or none."""

import pytest
from api.door import Door, HandDialer, settings_with
from api.samples import (
    AN_HOUR_OFF,
    C2C_AS_INTEGERS,
    PERSON,
    at_sample_time,
    deliver,
    is_received,
    last_call,
)

from otpvoice.app import create_app
from otpvoice.store.redis_store import RedisStore


@pytest.mark.parametrize(
    "raw",
    [
        AN_HOUR_OFF,
        C2C_AS_INTEGERS.replace(b'"start_at":"2021-04-09 16:27:39",', b""),
        C2C_AS_INTEGERS.replace(b"2021-04-09 16:27:39", b"yesterday"),
        C2C_AS_INTEGERS.replace(b'"from":918919525224', b'"from":918919525225'),
        C2C_AS_INTEGERS.replace(b'"bridge":918068280000', b'"bridge":918068280001'),
        C2C_AS_INTEGERS.replace(b'"source":"C2C"', b'"source":"OBD"'),
    ],
)
def test_an_orphan_changes_nothing(door: Door, dialer: HandDialer, raw: bytes) -> None:
    """Another time, person, bridge or route, and no id: received, and nobody's."""
    at_sample_time(door)
    began = door.asks(PERSON, route="c2c")
    dialer.places()
    before = door.looks(began)
    assert is_received(deliver(door, raw))
    assert door.looks(began)["version"] == before["version"]


def test_ninety_minutes_late_with_a_newer_call(door: Door, dialer: HandDialer) -> None:
    """The old call's news settles the old call by its id; without one it is nobody's."""
    at_sample_time(door)
    old = door.asks(PERSON, route="c2c")
    claim = dialer.places()
    door.later(90 * 60)
    newer = door.asks(PERSON, route="c2c")
    dialer.places()
    assert is_received(deliver(door, C2C_AS_INTEGERS))
    assert last_call(door, newer)["status"] == "placed"
    assert is_received(door.calls_back(id=claim.call_id, status="NOANSWER"))
    assert last_call(door, old)["status"] == "no_answer"
    assert last_call(door, newer)["status"] == "placed"


def test_no_id_at_all_means_the_live_call(door: Door, dialer: HandDialer) -> None:
    """The documented C2C body names no id, though the reply to our POST did."""
    at_sample_time(door)
    began = door.asks(PERSON, route="c2c")
    dialer.places("5555-6666")
    assert is_received(deliver(door, C2C_AS_INTEGERS))
    assert last_call(door, began)["status"] == "answered"


def test_another_id_means_another_call(door: Door, dialer: HandDialer) -> None:
    """A live call whose provider's id is known is not meant by a message with another one."""
    at_sample_time(door)
    began = door.asks(PERSON, route="c2c")
    dialer.places("5555-6666")
    assert is_received(deliver(door, C2C_AS_INTEGERS[:-1] + b',"id":"7777-8888"}'))
    assert last_call(door, began)["status"] == "placed"


def test_two_candidates_are_none(
    environ: dict[str, str], store: RedisStore, dialer: HandDialer
) -> None:
    """No id, no bridge, and a live call of each of two bridges: neither is touched."""
    store.sweep("a dialer")
    settings = settings_with(environ, clients_bank_bridge="918011112222")
    door = Door(create_app(settings, store), store)
    at_sample_time(door)
    ours = door.asks(PERSON, route="c2c")
    dialer.places()
    door.later(61)
    banks = door.bank().asks(PERSON, route="c2c")
    dialer.places()
    unbridged = C2C_AS_INTEGERS.replace(b'"bridge":918068280000,', b"")
    assert is_received(deliver(door, unbridged))
    assert last_call(door, ours)["status"] == "placed"
    assert last_call(door.bank(), banks)["status"] == "placed"
    bridged = C2C_AS_INTEGERS.replace(b"918068280000", b"918011112222")
    assert is_received(deliver(door, bridged))
    assert last_call(door.bank(), banks)["status"] == "answered"
    assert last_call(door, ours)["status"] == "placed"


def test_callback_without_bridge_finds_a_call_over_a_bridge_of_other_settings(
    environ: dict[str, str], door: Door, store: RedisStore, dialer: HandDialer
) -> None:
    """The API that receives it may have older settings than the one that queued the call."""
    settings = settings_with(environ, clients_bank_bridge="918011112222")
    new = Door(create_app(settings, store), store).bank()
    at_sample_time(door)
    began = new.asks(PERSON, route="c2c")
    dialer.places()
    assert is_received(deliver(door, C2C_AS_INTEGERS.replace(b'"bridge":918068280000,', b"")))
    assert last_call(new, began)["status"] == "answered"
