"""``otpvoice find``: what it tells is what the API knows, and neither a number nor a code."""

import json
import re
from typing import Any

import pytest
from api.api_client import UNKNOWN, ApiClient, ManualDialer, assert_problem
from cli.cli_runner import (
    CODE,
    OPERATOR,
    call_number,
    report_answered,
    run_as_operator,
    run_command,
)
from support.service import ASHA, NUMBER_KEY

from otpvoice.cli.stack import free_port
from otpvoice.core.verification import CallReason, CallStatus

MASKED = "+91******3210"
RAVI = "+919812345678"
AS_THE_API = {"id", "status", "reason", "reference", "created_at", "expires_at", "ended_at"}
CALL_AS_THE_API = {
    *("id", "status", "reason", "route", "locale", "due_at", "placed_at", "ended_at"),
    *("duration", "heard"),
}


def verifications(environ: dict[str, str], what: str) -> list[dict[str, Any]]:
    """What machines are told."""
    told: dict[str, Any] = json.loads(run_command("find", what, "--json", **environ).output)
    found: list[dict[str, Any]] = told["verifications"]
    return found


@pytest.fixture
def proven(api: ApiClient, dialer: ManualDialer) -> dict[str, Any]:
    """A verification with a reference, called and approved."""
    begun = api.create(reference="login-81", code=CODE)
    report_answered(api, dialer.place())
    assert api.check(begun, CODE).get_json()["valid"] is True
    return api.get_verification(begun)


@pytest.mark.parametrize("by", ["number", "id", "reference"])
def test_a_verification_is_found_by_all_its_names(
    environ: dict[str, str], proven: dict[str, Any], by: str
) -> None:
    """With everything that the API says of it and of its calls, and the provider's own word."""
    what = {"number": ASHA, "id": proven["id"], "reference": "login-81"}[by]
    (found,) = verifications(environ, what)
    assert {name: found[name] for name in AS_THE_API} == {name: proven[name] for name in AS_THE_API}
    assert (found["to"], found["client"], found["checks_left"]) == (MASKED, "login", 5)
    (call,), (known,) = found["calls"], proven["calls"]
    assert {name: call[name] for name in CALL_AS_THE_API} == {
        name: known[name] for name in CALL_AS_THE_API
    }
    assert call["raw"] == "ANSWER"
    assert call["sent_at"] >= call["due_at"]
    told = run_as_operator(environ, "find", what)
    assert told.exit_code == 0
    for each in (
        f"{proven['id']}  approved\n  {MASKED}, client login, reference login-81\n",
        "checks left 5\n",
        f"  {proven['calls'][0]['id']}  answered\n    obd default, due ",
        ", 7 s of talk, the provider said ANSWER\n",
    ):
        assert each in told.output, told.output


def test_the_newest_comes_first(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """All clients' of one number; other numbers' are not there."""
    begun = call_number(api, dialer, 2)
    others = api.as_bank().create(ASHA)
    api.create(RAVI)
    api.act(begun[0], "cancel")
    found = verifications(environ, ASHA)
    assert [each["id"] for each in found] == [others["id"], begun[1]["id"], begun[0]["id"]]
    assert [each["status"] for each in found] == ["pending", "pending", "canceled"]
    assert [each["reason"] for each in found] == [None, None, "requested"]
    assert found[0]["client"] == "bank"
    told = run_as_operator(environ, "find", ASHA).output
    assert f"{begun[0]['id']}  canceled (requested)\n" in told


def test_a_call_that_failed_says_why(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """Its state, its reason and its times, and none that it never had."""
    begun = api.create()
    dialer.record(dialer.send(), CallStatus.FAILED, CallReason.REFUSED)
    told = run_as_operator(environ, "find", begun["id"]).output
    call_id = api.get_verification(begun)["calls"][0]["id"]
    line = told.split(f"  {call_id}  failed (refused)\n")[1].splitlines()[0]
    assert "sent " in line
    assert "ended " in line
    assert "placed" not in line
    assert "heard" not in line


def test_a_number_comes_with_what_holds_it(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """The limit that refuses it, and what was refused to it."""
    call_number(api, dialer, 3)
    assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")
    told = run_as_operator(environ, "find", ASHA).output
    assert told.startswith(f"{MASKED} is refused by calls_per_number 3/10m until ")
    assert "Refused to it, the newest first:\n" in told
    limits = json.loads(run_as_operator(environ, "find", ASHA, "--json").output)["limits"]
    assert limits["held_by"] == ["calls_per_number 3/10m"]
    assert len(limits["refusals"]) == 1


@pytest.mark.parametrize("what", [RAVI, UNKNOWN, "login-0", "919812345678", "vrf_", "%s {x}"])
def test_nothing_found_is_status_1(
    environ: dict[str, str], proven: dict[str, Any], what: str
) -> None:
    """Said in words, and to machines as an empty list."""
    assert proven["reference"] != what
    told = run_as_operator(environ, "find", what)
    assert told.exit_code == 1
    assert "No verification was found" in told.output
    assert "an hour if no call was sent" in told.output
    assert verifications(environ, what) == []


def test_a_block_alone_is_something(api: ApiClient, environ: dict[str, str]) -> None:
    """Status 0: a number that is blocked is known, though it has no verification."""
    assert api.store.health().dialers == 1
    run_as_operator(environ, "limits", "block", RAVI)
    told = run_as_operator(environ, "find", RAVI)
    assert told.exit_code == 0
    assert "is refused by block until" in told.output


def test_a_seal_that_no_key_opens_is_told(environ: dict[str, str], proven: dict[str, Any]) -> None:
    """The ring lost its key: all but the number is still shown."""
    rotated = environ | {"OTPVOICE_SECRETS_KEYS": f"k2:{NUMBER_KEY[::-1].strip('=')}="}
    told = run_as_operator(rotated, "find", proven["id"])
    assert told.exit_code == 0
    assert "a number whose key was dropped from the ring, client login" in told.output
    assert verifications(rotated, proven["id"])[0]["to"] is None


def test_the_log_is_told_who_looked(
    api: ApiClient, environ: dict[str, str], proven: dict[str, Any]
) -> None:
    """For each search: who, and what for, masked; a reference is not repeated."""
    for what in (ASHA, proven["id"], "login-81", "login-0"):
        run_as_operator(environ, "find", what)
    notices = api.store.sweep("a dialer").audit_entries
    assert [(each.event, dict(each.details)) for each in notices] == [
        ("operator.searched", {"query": what, "results": found, "operator": OPERATOR})
        for what, found in (
            (MASKED, 1),
            (proven["id"], 1),
            ("a reference", 1),
            ("a reference", 0),
        )
    ]


@pytest.mark.parametrize(
    "what",
    [
        *("919876543210", "9876543210", "+91 98765 43210", "098765 43210", "0091 98765-43210"),
        *(
            "tel:+91-98765-43210",
            "+91 (0) 98765.43210",
            "९८७६५४३२१०",
            "\u202a+91 98765 43210\u202c",
        ),
    ],
)
def test_find_number_as_people_write_it_finds_it(
    environ: dict[str, str], proven: dict[str, Any], what: str
) -> None:
    """With what limits it, as for the number in E.164."""
    assert [each["id"] for each in verifications(environ, what)] == [proven["id"]]
    assert run_as_operator(environ, "find", what).output.startswith(f"{MASKED} is not refused")


@pytest.mark.parametrize("reference", ["12345", "9876543210", "00 12", "919812345678"])
def test_find_reference_of_digits_finds_it(
    api: ApiClient, environ: dict[str, str], reference: str
) -> None:
    """Callers may use any number as a reference; the output says what was searched."""
    begun = api.create("+919811100001", reference=reference)
    assert [each["id"] for each in verifications(environ, reference)] == [begun["id"]]
    assert run_command("find", reference, **environ).exit_code == 0


def test_find_digits_of_number_and_reference_finds_both_once(
    api: ApiClient, environ: dict[str, str]
) -> None:
    """The number's own verification has it as its reference, too: it is listed once."""
    both = api.create(reference="9876543210")
    other = api.as_bank().create("+919811100001", reference="9876543210")
    found = json.loads(run_command("find", "9876543210", "--json", **environ).output)
    assert sorted(each["id"] for each in found["verifications"]) == sorted(
        [both["id"], other["id"]]
    )
    assert found["searched"] == ["number", "reference"]
    told = run_command("find", "9876543210", **environ).output
    assert "Searched as a number and as a reference.\n" in told


@pytest.mark.parametrize(
    ("regions", "what", "sentence"),
    [
        ("IN", "12345", "Searched as a reference, not as a number: No telephone can have"),
        ("IN,US", "9876543210", "Searched as a reference, not as a number: The calling code is"),
        ("IN", "9812345678", "Searched as a number and as a reference."),
        ("IN", UNKNOWN, "Searched as an id."),
        ("IN", "login-0", "Searched as a reference.\n"),
    ],
)
def test_find_without_result_says_what_was_searched(
    environ: dict[str, str], api: ApiClient, regions: str, what: str, sentence: str
) -> None:
    """And how to write a number."""
    assert api.create()
    told = run_as_operator(environ | {"OTPVOICE_LIMITS_REGIONS": regions}, "find", what)
    assert told.exit_code == 1
    assert sentence in told.output


@pytest.mark.parametrize("what", ["+91 98123 4567", "+91 abc", "tel:98", "+-", "＋12"])
def test_find_invalid_international_number_is_usage_error(
    environ: dict[str, str], what: str
) -> None:
    """Status 2, and how a number is written; the text is not repeated."""
    refused = run_command("find", what, **environ)
    assert refused.exit_code == 2
    assert "number" in refused.output
    assert what not in refused.output


def test_a_store_that_is_away_is_one_line(environ: dict[str, str]) -> None:
    """Status 1, and no traceback."""
    away = environ | {"OTPVOICE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    refused = run_as_operator(away, "find", ASHA)
    assert refused.exit_code == 1
    assert re.match(r"Error: the store at \S+ cannot serve \(refused\); ", refused.output)
    assert len(refused.output.splitlines()) == 1
