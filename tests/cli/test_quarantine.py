"""What operators' commands show of unreadable records, undialable calls, and events that wait."""

import json

import pytest
from api.api_client import ApiClient, ManualDialer, settings_with
from cli.cli_runner import run_as_operator
from redis import Redis

from otpvoice.app import script_config
from otpvoice.cli.doctor.findings import Level
from otpvoice.cli.doctor.store import store_findings
from otpvoice.store.redis_store import RedisStore

SECRET = "whsec_dGhlIG5ld2VyIHNlY3JldCBvZiB0aGUgdGVzdHMgMzIgIQ=="


def warnings(environ: dict[str, str]) -> dict[str, str]:
    """Subject and text of the warnings about the store."""
    found = [*store_findings(settings_with(environ))]
    return {each.subject: str(each) for each in found if each.level is Level.WARNING}


def test_doctor_lists_unreadable_records(environ: dict[str, str], api: ApiClient) -> None:
    """Which one, what is wrong, and where it is kept."""
    call = api.create()["calls"][0]["id"]
    api.store.redis.hset(f"{{otpvoice}}:call:{call}", "due_at", "soon")
    api.store.claim(200)
    told = warnings(environ)["quarantine"]
    assert f"call:{call} (unreadable due_at)" in told
    assert f"{{otpvoice}}:quarantined:call:{call}" in told


def test_doctor_lists_undialable_calls(
    environ: dict[str, str], api: ApiClient, dialer: ManualDialer
) -> None:
    """Which one, what is missing, and what to do."""
    call = api.create()["calls"][0]["id"]
    api.store.report_undialable(dialer.claim(), "no adapter for the route sip")
    told = warnings(environ)["undialable call"]
    assert f"call:{call} (no adapter for the route sip)" in told
    assert "settings" in told


@pytest.mark.parametrize("late", [False, True])
def test_doctor_reports_events_that_no_dialer_takes(
    environ: dict[str, str], redis: Redis, late: bool
) -> None:
    """The settings of the dialers lack the client, or its address."""
    told = {
        "OTPVOICE_CLIENTS_LOGIN_EVENT_URL": "https://login.example.com/",
        "OTPVOICE_CLIENTS_LOGIN_EVENT_SECRET": SECRET,
    }
    settings = settings_with(environ | told)
    store = RedisStore(redis, retention_ms=600_000, policy=script_config(settings))
    store.clock_offset_ms = -100_000 if late else 0
    store.sweep("a dialer")
    redis.zadd("{otpvoice}:events:login", {"evt_1": 1_000 * redis.time()[0] - 90_000 * late})
    redis.expire("{otpvoice}:events:login", 100)
    assert ("events of login" in warnings(environ | told)) is late


def test_limits_counts_both(environ: dict[str, str], api: ApiClient, dialer: ManualDialer) -> None:
    """For people and for machines; people are told nothing where there is nothing."""
    assert "unreadable" not in run_as_operator(environ, "limits").output
    api.create()
    claim = dialer.claim()
    api.store.report_undialable(claim, "no adapter for the route sip")
    api.store.redis.hset(f"{{otpvoice}}:call:{claim.call_id}", "due_at", "soon")
    api.get(f"/v1/verifications/{claim.verification_id}")
    told = run_as_operator(environ, "limits").output
    assert "unreadable records         1 in 15 min" in told
    assert "undialable calls           1 in 15 min" in told
    document = json.loads(run_as_operator(environ, "limits", "--json").output)
    assert (document["quarantined_records"], document["undialable_calls"]) == (1, 1)
