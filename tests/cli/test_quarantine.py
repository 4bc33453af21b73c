"""Commands report unreadable records, undialable calls, and events that no dialer delivers."""

import json

import pytest
from api.api_client import ApiClient, ManualDialer, settings_with
from cli.cli_runner import run_as_operator
from redis import Redis

from otpvoice.cli.doctor.store import store_findings
from otpvoice.container import Container
from otpvoice.diagnostics import Level
from otpvoice.store.redis_store import RedisStore

SECRET = "whsec_dGhlIG5ld2VyIHNlY3JldCBvZiB0aGUgdGVzdHMgMzIgIQ=="


def warnings(environ: dict[str, str]) -> dict[str, str]:
    """Return the doctor's warnings about the store, by subject."""
    found = [*store_findings(settings_with(environ))]
    return {each.subject: str(each) for each in found if each.level is Level.WARNING}


def test_doctor_lists_unreadable_records(environ: dict[str, str], api: ApiClient) -> None:
    """With the reason, and where the record is kept."""
    call = api.create()["calls"][0]["id"]
    api.store.redis.hset(f"{{otpvoice}}:call:{call}", "due_at", "soon")
    api.store.claim(200)
    output = warnings(environ)["quarantine"]
    assert f"call:{call} (unreadable due_at)" in output
    assert f"{{otpvoice}}:quarantined:call:{call}" in output


def test_doctor_lists_undialable_calls(
    environ: dict[str, str], api: ApiClient, dialer: ManualDialer
) -> None:
    """With the reason and the remedy."""
    call = api.create()["calls"][0]["id"]
    api.store.report_undialable(dialer.claim(), "no adapter for the route sip")
    output = warnings(environ)["undialable call"]
    assert f"call:{call} (no adapter for the route sip)" in output
    assert "settings" in output


@pytest.mark.parametrize("late", [False, True])
def test_doctor_warns_of_events_that_no_dialer_delivers(
    environ: dict[str, str], redis: Redis, late: bool
) -> None:
    """The dialers' settings lack the client or its event_url."""
    client = {
        "OTPVOICE_CLIENTS_LOGIN_EVENT_URL": "https://login.example.com/",
        "OTPVOICE_CLIENTS_LOGIN_EVENT_SECRET": SECRET,
    }
    settings = settings_with(environ | client)
    store = RedisStore(redis, policy=Container(settings).policy)
    store.clock_offset_ms = -100_000 if late else 0
    store.sweep("a dialer")
    redis.zadd("{otpvoice}:events:login", {"evt_1": 1_000 * redis.time()[0] - 90_000 * late})
    redis.expire("{otpvoice}:events:login", 100)
    assert ("events of login" in warnings(environ | client)) is late


def test_limits_warns_of_unreadable_records_and_undialable_calls(
    environ: dict[str, str], api: ApiClient, dialer: ManualDialer
) -> None:
    """The JSON document counts both. Without such records, the text does not mention them."""
    assert "unreadable" not in run_as_operator(environ, "limits").output
    api.create()
    claim = dialer.claim()
    api.store.report_undialable(claim, "no adapter for the route sip")
    api.store.redis.hset(f"{{otpvoice}}:call:{claim.call_id}", "due_at", "soon")
    api.get(f"/v1/verifications/{claim.verification_id}")
    output = run_as_operator(environ, "limits").output
    assert "  1 unreadable records were quarantined in 15 minutes\n" in output
    assert "  1 calls could not be dialed in 15 minutes\n" in output
    document = json.loads(run_as_operator(environ, "limits", "--json").output)
    assert (document["quarantined_records"], document["undialable_calls"]) == (1, 1)
