"""Calls without a callback: their result becomes known, and they are not placed again."""

from collections.abc import Iterator

import pytest
from support.processes import wait_until
from support.service import RunningService
from support.stack import running_service


@pytest.fixture(scope="module")
def service(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """Run a service that soon queries a call without a callback."""
    folder = tmp_path_factory.mktemp("service")
    with running_service(environ, folder, OTPVOICE_VERIFICATION_CALLBACK_TIMEOUT="5") as stack:
        yield stack.service


def test_call_without_callback_is_queried(service: RunningService) -> None:
    """By either route, and after a request without a response. Each was requested once."""
    numbers = {
        "+919876541001": ("no_callback", "obd"),
        "+919876541002": ("no_callback", "c2c"),
        "+919876541003": ("reset", "obd"),
        "+919876541004": ("reset", "c2c"),
    }
    begun = {}
    for number, (behaviour, route) in numbers.items():
        copies = {"copies": 0} if behaviour == "reset" else {}
        service.phones.set_behaviour(number, behaviour, **copies)
        begun[number] = service.create(number, route=route)
    for number, verification in begun.items():
        call = service.wait_for_call(verification, "answered")
        assert call["route"] == numbers[number][1]
    asked = [entry["person"] for entry in service.phones.ledger()]
    assert all(asked.count(number.removeprefix("+")) == 1 for number in numbers)


def test_busy_call_found_by_query_is_redialed_on_the_next_route(service: RunningService) -> None:
    """Once, with the same code."""
    number = "+919876541005"
    service.phones.set_behaviour(number, "busy")
    verification = service.create(number, route="obd", code="4711")
    calls = wait_until(
        lambda: [
            c for c in service.get_verification(verification)["calls"] if c["status"] == "busy"
        ][1:],
        "the second call",
    )
    assert [call["route"] for call in calls] == ["c2c"]
    heard = [call["variables"]["otp"] for call in service.phones.calls(number)]
    assert heard == ["4, 7, 1, 1"] * 2
