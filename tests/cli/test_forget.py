"""``otpvoice forget``: what is erased is gone, and what has to stay stays."""

from typing import Any

import pytest
from api.api_client import ApiClient, ManualDialer, assert_problem
from cli.cli_runner import OPERATOR, call_number, run_as_operator, run_command
from redis import Redis
from support.service import ASHA, BRIDGE

from otpvoice.cli.stack import free_port
from otpvoice.core.verification import CallStatus

MASKED = "+91******3210"
RAVI = "+919812345678"
DAY = 86_400_000


@pytest.fixture
def known(api: ApiClient, dialer: ManualDialer) -> list[dict[str, Any]]:
    """Three verifications of a number, the newest pending; a further one was refused."""
    begun = call_number(api, dialer, 3)
    assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")
    return begun


def keys(redis: Redis, kind: str) -> list[str]:
    """The names of all keys of a kind."""
    return [key.decode() for key in redis.scan_iter(f"{{otpvoice}}:{kind}:*")]


def test_what_is_known_is_erased(
    api: ApiClient, redis: Redis, environ: dict[str, str], known: list[dict[str, Any]]
) -> None:
    """Verifications, calls, refusals and what could be spoken: nobody finds them any more."""
    other = api.create(RAVI)
    done = run_as_operator(environ, "forget", ASHA, "--yes")
    assert done.exit_code == 0
    assert done.output.startswith(
        f"Erased of {MASKED}:\n"
        "  verifications, with their calls   3\n"
        "  refusals                          1\n"
    )
    for each in known:
        assert api.get(f"/v1/verifications/{each['id']}").status_code == 404
        assert run_as_operator(environ, "find", each["id"]).exit_code == 1
    assert keys(redis, "verification") == [f"{{otpvoice}}:verification:{other['id']}"]
    assert keys(redis, "speech") == [f"{{otpvoice}}:speech:{other['id']}"]
    assert keys(redis, "call") == [f"{{otpvoice}}:call:{other['calls'][0]['id']}"]
    assert keys(redis, "refusals") == []


def test_erasing_is_no_way_around_a_limit(
    api: ApiClient, environ: dict[str, str], known: list[dict[str, Any]]
) -> None:
    """What was counted still refuses, and the answer says what stays and until when."""
    assert known
    run_as_operator(environ, "limits", "block", ASHA, "--for", "7d")
    told = run_as_operator(environ, "forget", ASHA, "--yes").output
    counted = next(line for line in told.splitlines() if "what was counted" in line)
    assert "(in 24 h) at the latest" in counted
    assert "calls_per_number 3/10m 3/3" in counted
    assert "wrong_codes" not in counted
    block = next(line for line in told.splitlines() if "the block" in line)
    assert "(in 7 days)" in block
    assert (
        assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")["limit"]
        == "block"
    )
    run_as_operator(environ, "limits", "unblock", ASHA)
    refused = assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")
    assert refused["limit"] == "calls_per_number 3/10m"


def test_a_number_is_remembered_no_longer_than_its_limits_need(
    redis: Redis, environ: dict[str, str], api: ApiClient, known: list[dict[str, Any]]
) -> None:
    """A day, instead of as long as verifications are kept; longer only for a block."""
    for each in known:
        api.act(each, "cancel")
    (number,) = keys(redis, "number")
    assert redis.pttl(number) > 2 * DAY
    run_as_operator(environ, "limits", "block", ASHA, "--for", "2d")
    run_as_operator(environ, "forget", ASHA, "--yes")
    assert DAY < redis.pttl(number) <= 2 * DAY
    run_as_operator(environ, "limits", "unblock", ASHA)
    run_as_operator(environ, "forget", ASHA, "--yes")
    assert 0 < redis.pttl(number) <= DAY


def test_it_asks_first(
    api: ApiClient, environ: dict[str, str], known: list[dict[str, Any]]
) -> None:
    """No, and no answer at all, erase nothing; yes does."""
    for says in ("n\n", ""):
        left = run_as_operator(environ, "forget", ASHA, stdin=says)
        assert left.exit_code == 1
        assert left.output.startswith(f"This erases what is known of {MASKED}")
        assert api.get_verification(known[-1])["status"] == "pending"
    assert run_as_operator(environ, "forget", ASHA, stdin="y\n").exit_code == 0
    assert api.get(f"/v1/verifications/{known[-1]['id']}").status_code == 404


def test_a_call_that_waits_is_not_dialed(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """The verification that it belongs to is gone."""
    api.create()
    run_as_operator(environ, "forget", ASHA, "--yes")
    assert dialer.has_nothing_due()


def test_a_call_that_rings_may_end(
    api: ApiClient, dialer: ManualDialer, redis: Redis, environ: dict[str, str]
) -> None:
    """Its record is gone; what dialer and provider say of it, and every sweep, bring none back."""
    api.create()
    claim = dialer.send()
    run_as_operator(environ, "forget", ASHA, "--yes")
    assert dialer.record(claim, CallStatus.PLACED, provider_id="mid-1") is None
    called_back = api.send_callback(
        **{"from": int(BRIDGE), "to": int(ASHA), "bridge": int(BRIDGE)},
        source="OBD",
        mid="mid-1",
        status="ANSWER",
        duration="7",
    )
    assert called_back.status_code == 200
    assert api.store.due_status_queries(32) == []
    api.advance_time(400)
    assert keys(redis, "call") == keys(redis, "verification") == []
    assert run_as_operator(environ, "find", ASHA).exit_code == 1


def test_nothing_known_is_status_1(api: ApiClient, environ: dict[str, str]) -> None:
    """And said so, with what stays: nothing."""
    api.create(RAVI)
    done = run_as_operator(environ, "forget", ASHA, "--yes")
    assert done.exit_code == 1
    assert done.output == f"Nothing was known of {MASKED}.\nNothing stays.\n"


def test_the_log_is_told_who_did_it(
    api: ApiClient, environ: dict[str, str], known: list[dict[str, Any]]
) -> None:
    """With the number masked, and how much there was."""
    run_as_operator(environ, "forget", ASHA, "--yes")
    (notice,) = api.store.sweep("a dialer").audit_entries
    assert notice.event == "number.erased"
    assert (notice.details["to"], notice.details["operator"]) == (MASKED, OPERATOR)
    assert notice.details["verifications"] == len(known)


def test_forget_number_as_people_write_it_erases_it(
    environ: dict[str, str], api: ApiClient
) -> None:
    """Without calling code, in the one region of the settings."""
    api.create()
    erased = run_as_operator(environ, "forget", "098765 43210", "--yes")
    assert erased.exit_code == 0
    assert erased.output.startswith(f"Erased of {MASKED}:")


def test_what_a_number_is_gets_said(environ: dict[str, str]) -> None:
    """Status 2; nothing is asked of the person before."""
    refused = run_command("forget", "91981234", **environ)
    assert refused.exit_code == 2
    assert "No telephone can have this number" in refused.output
    assert "919812345678" not in refused.output


def test_a_store_that_is_away_is_one_line(environ: dict[str, str]) -> None:
    """Status 1, and that it is not known whether anything was changed."""
    away = environ | {"OTPVOICE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    refused = run_as_operator(away, "forget", ASHA, "--yes")
    assert refused.exit_code == 1
    assert "not known whether anything was changed" in refused.output
    assert len(refused.output.splitlines()) == 1
