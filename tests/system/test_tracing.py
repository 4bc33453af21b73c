"""Traces: what became of a create is one trace, over all processes and to the client's receiver.

The processes run as an operator runs them: under ``opentelemetry-instrument``, with the SDK and an
exporter. Their spans go to a real receiver.
"""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from events.event_harness import endpoint_settings
from events.receiver import NEW_SECRET, EventReceiver
from integrations.locked_packages import python_packages
from support.processes import TIMEOUT_S, Process, free_port, is_listening
from support.service import ASHA, LOGIN_KEY, NUMBER_KEY, RING_KEY
from support.stack import Stack, service_started_by
from system.leaks import Scanner
from system.received_traces import Traces

from otpvoice.store import Keys
from otpvoice.store.discovery import connect

TESTS = Path(__file__).parents[1]
LOCK = TESTS / "integrations" / "tools" / "opentelemetry.txt"
CODE = "9173640285"
"""So long that it stands nowhere by chance."""
TRACE, PARENT = secrets.token_hex(15) + "ab", secrets.token_hex(7) + "cd"
"""Of the client; with a letter, because the log shows no id of digits alone."""


@pytest.fixture(scope="module")
def packages() -> Path:
    """Install OpenTelemetry's packages."""
    return python_packages(LOCK)


@pytest.fixture(scope="module")
def traces(
    packages: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Traces, int]]:
    """Run a receiver of traces; provide what it has, and its port."""
    folder, port = tmp_path_factory.mktemp("traces"), free_port()
    traces = Traces(folder / "spans")
    command: list[str | Path] = [
        sys.executable,
        TESTS / "support" / "otlp_receiver.py",
        str(port),
        traces.file,
    ]
    log, variables = folder / "receiver.log", {"PYTHONPATH": str(packages)}
    with Process(command, log, variables) as receiver:
        receiver.wait_until_ready(lambda: is_listening(port), "the receiver of traces")
        yield traces, port


@pytest.fixture(scope="module")
def client() -> Iterator[EventReceiver]:
    """Run a receiver of events that must get its own events only."""
    with EventReceiver() as listening:
        yield listening
        assert listening.faults == []


@pytest.fixture(scope="module")
def stack(
    packages: Path,
    traces: tuple[Traces, int],
    client: EventReceiver,
    environ: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Run a traced service: two workers, a dialer, the sandbox."""

    def start(name: str, variables: Mapping[str, str], folder: Path) -> Process:
        instrument = packages / "bin" / "opentelemetry-instrument"
        command: list[str | Path] = [instrument, sys.executable, "-m", "otpvoice", name]
        service = {"OTEL_SERVICE_NAME": f"otpvoice-{name}"}
        return Process(command, folder / f"{name}.log", {**variables, **service})

    with service_started_by(
        start,
        environ,
        tmp_path_factory.mktemp("traced"),
        **endpoint_settings(client),
        OTPVOICE_SERVER_WORKERS="2",
        PYTHONPATH=str(packages),
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{traces[1]}",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_BSP_SCHEDULE_DELAY="50",
    ) as running:
        yield running
        assert (running.dialer.terminate(), running.api.terminate()) == (0, 0)


@pytest.fixture(scope="module")
def verification(stack: Stack, client: EventReceiver) -> dict[str, Any]:
    """Create a verification as a traced client does, and see it through to its last event."""
    service = stack.service
    created = requests.post(
        f"{service.url}/v1/verifications",
        json={"to": ASHA, "reference": "login-81", "code": CODE},
        headers={
            "Authorization": f"Bearer {LOGIN_KEY}",
            "traceparent": f"00-{TRACE}-{PARENT}-01",
        },
        timeout=TIMEOUT_S,
    )
    assert created.status_code == 201, created.text
    verification: dict[str, Any] = created.json()
    service.wait_for_call(verification, "answered")
    assert service.check(verification, CODE).json()["valid"]
    client.wait_for(lambda events: len(events) == 3, "three events")
    return verification


def test_create_continues_the_trace_of_its_client(
    traces: tuple[Traces, int], verification: dict[str, Any]
) -> None:
    """The span of the request is a child of the client's, the store's function is its own."""
    request = traces[0].wait_for_one("POST /v1/verifications", TRACE)
    assert (request.kind, request.parent_id, request.service) == ("SERVER", PARENT, "otpvoice-api")
    attributes = dict(request.attributes)
    assert attributes.pop("otpvoice.request_id")
    assert attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/verifications",
        "http.response.status_code": 201,
        "otpvoice.client": "login",
        "otpvoice.verification": verification["id"],
    }
    function = traces[0].wait_for_one("FCALL create", TRACE)
    assert (function.kind, function.parent_id) == ("CLIENT", request.id)
    assert function.attributes == {
        "db.system.name": "redis",
        "db.operation.name": "FCALL",
        "db.stored_procedure.name": "create",
    }


def test_call_is_in_the_same_trace(
    traces: tuple[Traces, int], verification: dict[str, Any]
) -> None:
    """The dialer's work, one request to the provider, and the callback about it."""
    request = traces[0].wait_for_one("POST /v1/verifications", TRACE)
    dial = traces[0].wait_for_one("dial obd", TRACE)
    call = verification["calls"][0]["id"]
    assert (dial.kind, dial.parent_id, dial.service) == (
        "CONSUMER",
        request.id,
        "otpvoice-dialer",
    )
    assert dial.attributes == {
        "otpvoice.call": call,
        "otpvoice.verification": verification["id"],
        "otpvoice.client": "login",
        "otpvoice.route": "obd",
        "otpvoice.provider": "mobtexting",
        "otpvoice.outcome": "accepted",
    }
    for function in ("mark_sent", "record_result"):
        assert traces[0].wait_for_one(f"FCALL {function}", TRACE).parent_id == dial.id
    (placement,) = [
        span for span in traces[0].spans if (span.name, span.parent_id) == ("POST", dial.id)
    ]
    assert (placement.kind, placement.attributes["server.address"]) == ("CLIENT", "127.0.0.1")
    assert placement.attributes["http.response.status_code"] == 200
    callback = traces[0].wait_for_one("callback", TRACE)
    assert callback.parent_id == request.id
    assert callback.attributes == {
        "otpvoice.call": call,
        "otpvoice.provider": "mobtexting",
        "otpvoice.outcome": "applied",
        "otpvoice.status": "answered",
    }


@pytest.mark.usefixtures("verification")
def test_callback_and_check_have_traces_of_their_own_that_link_to_it(
    traces: tuple[Traces, int],
) -> None:
    """The provider and the app send no traceparent."""
    request = traces[0].wait_for_one("POST /v1/verifications", TRACE)
    webhook = traces[0].wait_for_one("POST /webhooks/mobtexting")
    check = traces[0].wait_for_one("POST /v1/verifications/<verification_id>/checks")
    for span in (webhook, check):
        assert (span.kind, span.parent_id) == ("SERVER", "")
        assert span.trace_id != TRACE
        assert span.links == [[TRACE, request.id]]
    callback = traces[0].wait_for_one("callback", TRACE)
    assert callback.links == [[webhook.trace_id, webhook.id]]


def test_events_carry_the_trace_to_the_client(
    traces: tuple[Traces, int], client: EventReceiver, verification: dict[str, Any]
) -> None:
    """Each names the span of its delivery."""
    request = traces[0].wait_for_one("POST /v1/verifications", TRACE)
    for event in client.events:
        span = traces[0].wait_for_one(f"deliver {event.type}", TRACE)
        assert (span.kind, span.parent_id) == ("PRODUCER", request.id)
        assert span.attributes["otpvoice.verification"] == verification["id"]
        assert event.headers["traceparent"] == f"00-{TRACE}-{span.id}-01"


def test_lines_of_the_log_name_the_trace(stack: Stack, verification: dict[str, Any]) -> None:
    """Of both processes; the response and the record's copy do not show it to apps."""
    assert TRACE not in json.dumps(verification)
    for log, event in ((stack.api, "verification.created"), (stack.dialer, "call.sent")):
        lines = [json.loads(line) for line in log.output().splitlines() if line.startswith("{")]
        (line,) = [each for each in lines if each["event"] == event]
        assert (line["trace_id"], line["verification"]) == (TRACE, verification["id"])
    with closing(connect(stack.variables["OTPVOICE_REDIS_URL"])) as redis:
        key = Keys().of("verification", verification["id"])
        assert f"00-{TRACE}-" in str(redis.hget(key, "traceparent"))


def test_request_without_a_trace_begins_one(
    stack: Stack, client: EventReceiver, traces: tuple[Traces, int], verification: dict[str, Any]
) -> None:
    """A malformed traceparent counts as none. Polls of the dialer and health make no traces."""
    before = len(client.events)
    created = requests.post(
        f"{stack.service.url}/v1/verifications",
        json={"to": "+919876543211", "code": CODE},
        headers={"Authorization": f"Bearer {LOGIN_KEY}", "traceparent": f"00-{TRACE}-{PARENT}"},
        timeout=TIMEOUT_S,
    ).json()
    client.wait_for(lambda events: len(events) >= before + 2, "further events")
    dials = traces[0].wait_for(
        lambda spans: [
            span
            for span in spans
            if span.attributes.get("otpvoice.verification") == created["id"]
            and span.name == "dial obd"
        ],
        "the dial of the second verification",
    )
    (request,) = [span for span in traces[0].spans if span.id == dials[0].parent_id]
    assert (request.name, request.parent_id) == ("POST /v1/verifications", "")
    assert request.trace_id not in {TRACE, verification["id"]}
    roots = {span.name for span in traces[0].spans if not span.parent_id}
    assert {name for name in roots if not name.startswith(("POST /", "GET /v1/"))} == set()


def test_refused_call_fails_its_span(stack: Stack, traces: tuple[Traces, int]) -> None:
    """With the outcome, and with the status of the provider's response."""
    number = "+919876543212"
    stack.service.phones.set_behaviour(number, "error_401")
    created = stack.service.create(number, code=CODE, route="c2c")
    dial = traces[0].wait_for(
        lambda spans: [
            span
            for span in spans
            if span.attributes.get("otpvoice.verification") == created["id"]
            and span.name == "dial c2c"
        ],
        "the dial of the refused call",
    )[0]
    assert dial.failed
    assert dial.attributes["error.type"] == dial.attributes["otpvoice.outcome"] == "misconfigured"
    (placement,) = [
        span for span in traces[0].spans if (span.name, span.parent_id) == ("POST", dial.id)
    ]
    assert (placement.failed, placement.attributes["error.type"]) == (True, "401")


def test_spans_hold_no_secret(traces: tuple[Traces, int], verification: dict[str, Any]) -> None:
    """Neither a code nor a number nor a key, in any form, in all that was sent to the receiver."""
    assert verification["status"] == "pending"
    secret = {
        "number": ASHA, "digits": ASHA[3:], "API key": LOGIN_KEY, "event secret": NEW_SECRET,
        "ring": RING_KEY, "number key": NUMBER_KEY, "token": verification["client_token"],
        "reference": "login-81",
    }  # fmt: skip
    received = Path(f"{traces[0].file}.raw").read_bytes()
    assert verification["id"].encode() in received
    assert Scanner(secret, {"code": CODE}).scan("spans", received) == []
    assert all(span.events == [] for span in traces[0].spans)


def test_without_the_extra_nothing_of_opentelemetry_is_imported() -> None:
    """These tests run without it: no dependency of the service brings it along."""
    program = (
        "import sys, otpvoice.app, otpvoice.container, otpvoice.cli.gunicorn\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"


_FORKED = """
import os
from otpvoice import tracing
assert not tracing.is_on()
if pid := os.fork():
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
os._exit(0 if tracing.is_on() else 3)
"""


def test_provider_that_is_set_after_the_fork_is_used(packages: Path) -> None:
    """As by a ``post_fork`` hook, although gunicorn's main process has logged lines before."""
    done = subprocess.run(
        [sys.executable, "-c", _FORKED], env={"PYTHONPATH": str(packages)}, check=False
    )
    assert done.returncode == 0
