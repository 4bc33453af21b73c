"""The process that stores an event and the one that delivers it have different settings."""

from collections.abc import Callable

from events.event_harness import EventHarness, endpoint_settings
from events.receiver import NEW_SECRET, OLD_SECRET, EventReceiver
from support.service import ASHA, LOGIN_KEY

NEW_URL = {"OTPVOICE_SERVER_PUBLIC_URL": "https://new.example.com"}


def test_event_without_endpoint_is_delivered_by_a_later_process(
    make_harness: Callable[..., EventHarness], receiver: EventReceiver
) -> None:
    """No process attempts it before, and it is delivered once."""
    api, old = make_harness(**endpoint_settings(receiver)), make_harness()
    api.end(LOGIN_KEY, api.create(LOGIN_KEY, ASHA))
    assert old.store.claim_events({}).events == ()
    new = make_harness(**endpoint_settings(receiver))
    assert new.deliver_due() == 2
    assert [each.type for each in receiver.wait_for_events(2)] == [
        "call.canceled",
        "verification.canceled",
    ]
    assert new.deliver_due() == 0


def test_event_has_the_endpoint_of_the_delivering_process(
    make_harness: Callable[..., EventHarness], receiver: EventReceiver
) -> None:
    """The store contains neither address nor secret."""
    api = make_harness(**endpoint_settings(receiver, secret=OLD_SECRET))
    begun = api.create(LOGIN_KEY, ASHA)
    api.end(LOGIN_KEY, begun)
    make_harness(**endpoint_settings(receiver, secret=NEW_SECRET), **NEW_URL).deliver_due()
    received = receiver.wait_for_events(2)
    assert {each.data["url"] for each in received} == {
        f"https://new.example.com/v1/verifications/{begun}"
    }
    assert receiver.faults == []
