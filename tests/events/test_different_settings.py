"""The process that writes an event and the one that delivers it have different settings."""

from collections.abc import Callable

from events.receiver import NEW_SECRET, OLD_SECRET, Client
from events.telling import Telling, told_at
from world import ASHA, LOGIN_KEY

NEW_URL = {"OTPVOICE_SERVER_PUBLIC_URL": "https://new.example.com"}


def test_event_is_delivered_by_a_process_that_learns_of_the_address_later(
    telling_of: Callable[..., Telling], client: Client
) -> None:
    """Nothing tries it before, and it is delivered once."""
    api, old = telling_of(**told_at(client)), telling_of()
    api.ends(LOGIN_KEY, api.asks(LOGIN_KEY, ASHA))
    assert old.store.take_events({}).events == ()
    new = telling_of(**told_at(client))
    assert new.tells() == 2
    assert [each.type for each in client.hears(2)] == ["call.canceled", "verification.canceled"]
    assert new.tells() == 0


def test_event_has_the_address_and_the_signature_of_the_process_that_delivers(
    telling_of: Callable[..., Telling], client: Client
) -> None:
    """Both are no part of what is stored."""
    api = telling_of(**told_at(client, secret=OLD_SECRET))
    begun = api.asks(LOGIN_KEY, ASHA)
    api.ends(LOGIN_KEY, begun)
    telling_of(**told_at(client, secret=NEW_SECRET), **NEW_URL).tells()
    told = client.hears(2)
    assert {each.data["url"] for each in told} == {
        f"https://new.example.com/v1/verifications/{begun}"
    }
    assert client.faults == []
