"""Adds and removes a client while the processes restart one after the other."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from events.event_harness import endpoint_settings
from events.receiver import EventReceiver
from redis import Redis
from support.processes import free_port, otpvoice_process, wait_until
from support.service import ASHA, RunningService
from support.stack import Stack, running_service

SHOP_KEY = "ovk_a-client-that-is-added"
RAVI = "+919812345678"


def with_shop(client: EventReceiver) -> dict[str, str]:
    """Return the variables that add a client with its own flows, caller line and endpoint."""
    return {
        **endpoint_settings(client, "SHOP"),
        "OTPVOICE_CLIENTS_SHOP_KEY_SHA256": hashlib.sha256(SHOP_KEY.encode()).hexdigest(),
        "OTPVOICE_CLIENTS_SHOP_FLOWS": "default=25",
        "OTPVOICE_CLIENTS_SHOP_BRIDGE": "918068281111",
    }


@pytest.fixture
def client() -> Iterator[EventReceiver]:
    """Where the new client takes its events."""
    with EventReceiver() as listening:
        yield listening
        assert listening.faults == []


@pytest.fixture
def stack(environ: dict[str, str], tmp_path: Path) -> Iterator[Stack]:
    """Run a service that does not know the client yet."""
    with running_service(environ, tmp_path) as running:
        yield running
        assert running.dialer.is_running


@contextmanager
def api_with(stack: Stack, changes: dict[str, str], folder: Path) -> Iterator[RunningService]:
    """Run the API with other settings; callbacks still reach the old one."""
    folder.mkdir()
    bind = f"127.0.0.1:{free_port()}"
    variables = stack.variables | changes | {"OTPVOICE_SERVER_BIND": bind}
    with otpvoice_process("api", variables, folder):
        there = RunningService(
            f"http://{bind}", stack.service.phones, stack.service.sandbox, folder
        )
        wait_until(lambda: _serves(there), f"the API; see {folder}")
        yield there


def _serves(service: RunningService) -> bool:
    try:
        return service.get("/readyz").ok
    except OSError:
        return False


def asks(service: RunningService, to: str = ASHA) -> dict[str, object]:
    """Send a create of the new client."""
    answer = service.post("/v1/verifications", {"to": to}, SHOP_KEY)
    assert answer.status_code == 201, answer.text
    begun: dict[str, object] = answer.json()
    return begun


def status_of(service: RunningService, begun: dict[str, object]) -> str:
    """Return the status of the only call."""
    found = service.get(f"/v1/verifications/{begun['id']}", SHOP_KEY).json()
    (call,) = found["calls"]
    return str(call["status"])


def test_client_added_to_the_api_first_is_called_and_gets_its_events(
    stack: Stack, client: EventReceiver, environ: dict[str, str], tmp_path: Path
) -> None:
    """The old dialer places the call, the old API accepts the callback, and events wait for a new
    dialer.
    """
    added = with_shop(client)
    with ExitStack() as processes:
        new = processes.enter_context(api_with(stack, added, tmp_path / "api"))
        begun = asks(new)
        code = new.wait_for_code(ASHA)
        wait_until(lambda: status_of(new, begun) == "answered", "the callback")
        checked = new.post(f"/v1/verifications/{begun['id']}/checks", {"code": code}, SHOP_KEY)
        assert checked.json()["valid"] is True
        assert client.events == []
        assert 'otpvoice_events_waiting{client="shop"} 3.0' in new.get("/metrics").text
        assert "call.undialable" not in (stack.folder / "dialer.log").read_text()

        (tmp_path / "dialer").mkdir()
        variables = stack.variables | added
        processes.enter_context(otpvoice_process("dialer", variables, tmp_path / "dialer"))
        received = client.wait_for_events(3)
    assert {each.type for each in received} == {
        *("call.placed", "call.answered", "verification.approved"),
    }
    with Redis.from_url(environ["OTPVOICE_REDIS_URL"]) as redis:
        assert not [*redis.scan_iter("{otpvoice}:quarantine*")]


def test_client_added_to_the_dialer_first_has_no_effect(
    stack: Stack, client: EventReceiver, tmp_path: Path
) -> None:
    """The API does not know its key until its own deployment."""
    (tmp_path / "dialer").mkdir()
    with otpvoice_process("dialer", stack.variables | with_shop(client), tmp_path / "dialer"):
        service = stack.service
        assert service.post("/v1/verifications", {"to": RAVI}, SHOP_KEY).status_code == 401
        begun = service.create(RAVI)
        service.wait_for_call(begun, "answered")


def test_client_removed_from_the_api_first_is_still_called(
    stack: Stack, client: EventReceiver, tmp_path: Path
) -> None:
    """Its queued calls are placed after its key became unknown."""
    with api_with(stack, with_shop(client), tmp_path / "api") as new:
        answer = new.post("/v1/verifications", {"to": ASHA, "call_after": 2}, SHOP_KEY)
        assert answer.status_code == 201
    assert (
        stack.service.get(f"/v1/verifications/{answer.json()['id']}", SHOP_KEY).status_code == 401
    )
    assert stack.service.wait_for_code(ASHA)


def test_record_that_cannot_be_decoded_ends_no_process(
    stack: Stack, environ: dict[str, str]
) -> None:
    """It is logged once and shown by ``/readyz``, and all other calls are placed."""
    service = stack.service
    poisoned = service.create(ASHA, call_after=1)
    call = poisoned["calls"][0]["id"]
    with Redis.from_url(environ["OTPVOICE_REDIS_URL"]) as redis:
        redis.hset(f"{{otpvoice}}:call:{call}", "due_at", "soon")
        redis.rpush("{otpvoice}:audit_log", "not JSON")
        wait_until(
            lambda: redis.zcard("{otpvoice}:quarantine") == 2, "both records to be set aside"
        )
    other = service.create(RAVI)
    service.wait_for_call(other, "answered")
    assert service.get("/readyz").json()["degraded"] == ["quarantine"]
    assert service.get_verification(poisoned)["calls"] == []

    def logged() -> list[dict[str, object]]:
        lines = (stack.folder / "dialer.log").read_text().splitlines()
        return [json.loads(line) for line in lines if "record.quarantined" in line]

    wait_until(lambda: len(logged()) == 2, "the lines of the log")
    assert {str(line["record"]) for line in logged()} == {f"call:{call}", "audit_log"}
    assert {line["level"] for line in logged()} == {"error"}
    assert [line["call"] for line in logged() if "call" in line] == [call]
    assert stack.api.is_running
    assert stack.dialer.is_running
