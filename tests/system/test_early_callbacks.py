"""Composed callbacks that arrive before the provider's reply, between real processes."""

from collections.abc import Iterator

import pytest
import requests
from support.processes import TIMEOUT_S, wait_until
from support.service import RunningService
from support.stack import Stack, running_service

COMPOSITION = {
    "method": "POST",
    "encoding": "json",
    "members": {
        "id": "{{id}}",
        "to": "{{to}}",
        "status": "{{status}}",
        "duration": "{{duration}}",
    },
}
"""The composition that docs/providers/mobtexting.md recommends."""


@pytest.fixture(scope="module")
def stack(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a service whose provider sends composed callbacks."""
    folder = tmp_path_factory.mktemp("service")
    with running_service(environ, folder) as running:
        webhook = {
            "uri": f"{running.service.url}/webhooks/mobtexting",
            "secret": running.variables["OTPVOICE_PROVIDER_WEBHOOK_SECRET"],
            "composition": COMPOSITION,
        }
        sandbox = running.service.sandbox.url
        answer = requests.put(f"{sandbox}/webhooks/1", json=webhook, timeout=TIMEOUT_S)
        assert answer.ok, answer.text
        yield running


@pytest.fixture
def service(stack: Stack) -> RunningService:
    """Return the service of that stack."""
    return stack.service


@pytest.mark.parametrize("route", ["obd", "c2c"])
@pytest.mark.parametrize(
    ("word", "status"), [("BUSY", "busy"), ("NOANSWER", "no_answer"), ("ANSWER", "answered")]
)
def test_early_composed_callback_ends_the_call(
    service: RunningService, route: str, word: str, status: str
) -> None:
    """The callback arrives before the reply names its id."""
    number = f"+9198765{42000 + len(service.phones.ledger())}"
    service.phones.set_behaviour(number, "early_callback", ends=word)
    began = service.create(number, route=route)
    call = wait_until(
        lambda: [c for c in service.get_verification(began)["calls"] if c["status"] == status][:1],
        f"the call's end as {status}",
    )[0]
    assert (call["route"], service.get_verification(began)["status"]) == (route, "pending")
    sent = [
        each
        for each in requests.get(f"{service.sandbox.url}/callbacks", timeout=TIMEOUT_S).json()
        if number[1:] in each["body"]
    ]
    assert [each["status"] for each in sent][:1] == [200]


def test_early_composed_callback_is_counted_as_early(service: RunningService) -> None:
    """By its outcome in the metric of callbacks."""
    number = "+919876543999"
    service.phones.set_behaviour(number, "early_callback", ends="BUSY")
    began = service.create(number, route="obd")
    wait_until(
        lambda: [c for c in service.get_verification(began)["calls"] if c["status"] == "busy"],
        "the end",
    )
    page = requests.get(f"{service.url}/metrics", timeout=TIMEOUT_S).text
    (count,) = [line.split()[-1] for line in page.splitlines() if 'outcome="early"' in line]
    assert float(count) >= 1
