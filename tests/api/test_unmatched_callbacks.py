"""Callbacks without a known id: they match the one live call, or none."""

import pytest
from api.api_client import ApiClient, ManualDialer, settings_with
from api.callback_samples import (
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
def test_unmatched_callback_changes_nothing(
    api: ApiClient, dialer: ManualDialer, raw: bytes
) -> None:
    """Another time, number, caller line or route, and no id."""
    at_sample_time(api)
    created = api.create(PERSON, route="c2c")
    dialer.place()
    before = api.get_verification(created)
    assert is_received(deliver(api, raw))
    assert api.get_verification(created)["version"] == before["version"]


def test_late_callback_ends_its_own_call_only(api: ApiClient, dialer: ManualDialer) -> None:
    """By its id; without one it matches none."""
    at_sample_time(api)
    old = api.create(PERSON, route="c2c")
    claim = dialer.place()
    api.advance_time(90 * 60)
    newer = api.create(PERSON, route="c2c")
    dialer.place()
    assert is_received(deliver(api, C2C_AS_INTEGERS))
    assert last_call(api, newer)["status"] == "placed"
    assert is_received(api.send_callback(id=claim.call_id, status="NOANSWER"))
    assert last_call(api, old)["status"] == "no_answer"
    assert last_call(api, newer)["status"] == "placed"


def test_callback_without_id_matches_the_live_call(api: ApiClient, dialer: ManualDialer) -> None:
    """As the documented C2C body."""
    at_sample_time(api)
    created = api.create(PERSON, route="c2c")
    dialer.place("5555-6666")
    assert is_received(deliver(api, C2C_AS_INTEGERS))
    assert last_call(api, created)["status"] == "answered"


def test_callback_with_another_id_matches_none(api: ApiClient, dialer: ManualDialer) -> None:
    """The live call's provider id is known."""
    at_sample_time(api)
    created = api.create(PERSON, route="c2c")
    dialer.place("5555-6666")
    assert is_received(deliver(api, C2C_AS_INTEGERS[:-1] + b',"id":"7777-8888"}'))
    assert last_call(api, created)["status"] == "placed"


def test_callback_with_two_candidates_matches_none(
    environ: dict[str, str], store: RedisStore, dialer: ManualDialer
) -> None:
    """Two caller lines have a live call each."""
    store.sweep("a dialer")
    settings = settings_with(environ, clients_bank_bridge="918011112222")
    api = ApiClient(create_app(settings, store), store)
    at_sample_time(api)
    ours = api.create(PERSON, route="c2c")
    dialer.place()
    api.advance_time(61)
    banks = api.as_bank().create(PERSON, route="c2c")
    dialer.place()
    unbridged = C2C_AS_INTEGERS.replace(b'"bridge":918068280000,', b"")
    assert is_received(deliver(api, unbridged))
    assert last_call(api, ours)["status"] == "placed"
    assert last_call(api.as_bank(), banks)["status"] == "placed"
    bridged = C2C_AS_INTEGERS.replace(b"918068280000", b"918011112222")
    assert is_received(deliver(api, bridged))
    assert last_call(api.as_bank(), banks)["status"] == "answered"
    assert last_call(api, ours)["status"] == "placed"


def test_callback_without_bridge_finds_a_call_of_newer_settings(
    environ: dict[str, str], api: ApiClient, store: RedisStore, dialer: ManualDialer
) -> None:
    """The API that receives it may have older settings."""
    settings = settings_with(environ, clients_bank_bridge="918011112222")
    new = ApiClient(create_app(settings, store), store).as_bank()
    at_sample_time(api)
    created = new.create(PERSON, route="c2c")
    dialer.place()
    assert is_received(deliver(api, C2C_AS_INTEGERS.replace(b'"bridge":918068280000,', b"")))
    assert last_call(new, created)["status"] == "answered"
