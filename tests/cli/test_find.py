"""``otpvoice find`` shows text the API knows, and neither a number nor a code."""

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

from otpvoice.core.speech import Gate
from otpvoice.core.verification import CallReason, CallStatus

MASKED = "+91******3210"
RAVI = "+919812345678"
API_FIELDS = {"id", "status", "reason", "reference", "created_at", "expires_at", "ended_at"}
CALL_API_FIELDS = {
    *("id", "status", "reason", "route", "locale", "due_at", "placed_at", "ended_at"),
    *("duration", "heard"),
}


def find_json(environ: dict[str, str], text: str) -> list[dict[str, Any]]:
    """Return the verifications that ``find --json`` prints."""
    document: dict[str, Any] = json.loads(run_command("find", text, "--json", **environ).output)
    found: list[dict[str, Any]] = document["verifications"]
    return found


@pytest.fixture
def proven(api: ApiClient, dialer: ManualDialer) -> dict[str, Any]:
    """Create a verification with a reference, answer its call, and approve it."""
    created = api.create(reference="login-81", code=CODE)
    report_answered(api, dialer.place())
    assert api.check(created, CODE).get_json()["valid"] is True
    return api.get_verification(created)


@pytest.mark.parametrize("by", ["number", "id", "reference"])
def test_find_by_number_id_or_reference_shows_what_the_api_knows(
    environ: dict[str, str], proven: dict[str, Any], by: str
) -> None:
    """The calls also carry the provider's own status word."""
    text = {"number": ASHA, "id": proven["id"], "reference": "login-81"}[by]
    (found,) = find_json(environ, text)
    assert {name: found[name] for name in API_FIELDS} == {name: proven[name] for name in API_FIELDS}
    assert (found["to"], found["client"], found["checks_left"]) == (MASKED, "login", 5)
    (call,), (known,) = found["calls"], proven["calls"]
    assert {name: call[name] for name in CALL_API_FIELDS} == {
        name: known[name] for name in CALL_API_FIELDS
    }
    assert call["raw"] == "ANSWER"
    assert call["sent_at"] >= call["due_at"]
    done = run_as_operator(environ, "find", text)
    assert done.exit_code == 0
    for each in (
        f"{proven['id']}  approved\n  {MASKED}, client login, reference login-81\n",
        "checks left 5\n",
        f"  {proven['calls'][0]['id']}  answered\n    obd default, due ",
        ", 7 s of talk, not known whether the code was heard, the provider reported ANSWER\n",
    ):
        assert each in done.output, done.output


def test_find_lists_the_newest_first(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """Verifications of all clients for the number, and of no other number."""
    created = call_number(api, dialer, 2)
    others = api.as_bank().create(ASHA)
    api.create(RAVI)
    api.act(created[0], "cancel")
    found = find_json(environ, ASHA)
    assert [each["id"] for each in found] == [others["id"], created[1]["id"], created[0]["id"]]
    assert [each["status"] for each in found] == ["pending", "pending", "canceled"]
    assert [each["reason"] for each in found] == [None, None, "requested"]
    assert found[0]["client"] == "bank"
    output = run_as_operator(environ, "find", ASHA).output
    assert f"{created[0]['id']}  canceled (requested)\n" in output


def test_find_shows_the_reason_of_a_failed_call(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """With the times that it had, and no others."""
    created = api.create()
    dialer.record(dialer.send(), CallStatus.FAILED, CallReason.REFUSED)
    output = run_as_operator(environ, "find", created["id"]).output
    call_id = api.get_verification(created)["calls"][0]["id"]
    line = output.split(f"  {call_id}  failed (refused)\n")[1].splitlines()[0]
    assert "sent " in line
    assert "ended " in line
    assert "placed" not in line
    assert "heard" not in line


def test_find_by_number_shows_the_refusing_limit(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """And the refused requests."""
    call_number(api, dialer, 3)
    assert_problem(api.create_response(reference="login-9"), 429, "rate_limited")
    output = run_as_operator(environ, "find", ASHA).output
    assert output.startswith(f"{MASKED} is refused by calls_per_number 3/10m until ")
    assert "Refused requests, the newest first:\n" in output
    limits = json.loads(run_as_operator(environ, "find", ASHA, "--json").output)["limits"]
    assert limits["held_by"] == ["calls_per_number 3/10m"]
    assert len(limits["refusals"]) == 1


@pytest.mark.parametrize("text", [RAVI, UNKNOWN, "login-0", "919812345678", "vrf_", "%s {x}"])
def test_find_without_a_result_exits_with_1(
    environ: dict[str, str], proven: dict[str, Any], text: str
) -> None:
    """The JSON document holds an empty list."""
    assert proven["reference"] != text
    done = run_as_operator(environ, "find", text)
    assert done.exit_code == 1
    assert "No verification was found" in done.output
    assert "an hour if no call was sent" in done.output
    assert find_json(environ, text) == []


def test_find_of_a_blocked_number_exits_with_0(api: ApiClient, environ: dict[str, str]) -> None:
    """A blocked number is known, even without a verification."""
    assert api.store.health().dialers == 1
    run_as_operator(environ, "limits", "block", RAVI)
    done = run_as_operator(environ, "find", RAVI)
    assert done.exit_code == 0
    assert "is refused by block until" in done.output


def test_find_and_limits_show_that_the_person_denied_a_call(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """Nobody has to ask who blocked the number, and unblock lifts it."""
    api.create(RAVI)
    claim = dialer.place(gate=Gate.DOOR)
    assert api.store.press_key(claim.call_id, "9").outcome == "denied"
    found = run_as_operator(environ, "find", RAVI).output
    assert re.search("is refused by denial_block until .*, because the person", found)
    assert "canceled (denied)" in found
    explained = run_as_operator(environ, "limits", "explain", RAVI).output
    assert re.search(r"denial_block +-  ", explained)
    document = json.loads(run_as_operator(environ, "limits", "explain", RAVI, "--json").output)
    assert document["blocked_by"] == "denial"
    run_as_operator(environ, "limits", "unblock", RAVI)
    document = json.loads(run_as_operator(environ, "limits", "explain", RAVI, "--json").output)
    assert document["blocked_by"] is None
    run_as_operator(environ, "limits", "block", RAVI)
    document = json.loads(run_as_operator(environ, "limits", "explain", RAVI, "--json").output)
    assert document["blocked_by"] == "operator"


def test_find_shows_a_verification_whose_number_key_was_dropped(
    environ: dict[str, str], proven: dict[str, Any]
) -> None:
    """Everything but the number is shown."""
    rotated = environ | {"OTPVOICE_SECRETS_KEYS": f"k2:{NUMBER_KEY[::-1].strip('=')}="}
    done = run_as_operator(rotated, "find", proven["id"])
    assert done.exit_code == 0
    assert "a number whose key was dropped from the ring, client login" in done.output
    assert find_json(rotated, proven["id"])[0]["to"] is None


def test_find_logs_the_operator_and_the_masked_text(
    api: ApiClient, environ: dict[str, str], proven: dict[str, Any]
) -> None:
    """A reference is not logged."""
    for text in (ASHA, proven["id"], "login-81", "login-0"):
        run_as_operator(environ, "find", text)
    notices = api.store.sweep("a dialer").audit_entries
    assert [(each.event, dict(each.details)) for each in notices] == [
        ("operator.searched", {"query": text, "results": found, "operator": OPERATOR})
        for text, found in (
            (MASKED, 1),
            (proven["id"], 1),
            ("a reference", 1),
            ("a reference", 0),
        )
    ]


@pytest.mark.parametrize("reference", ["12345", "9876543210", "00 12", "919812345678"])
def test_find_by_a_reference_of_digits(
    api: ApiClient, environ: dict[str, str], reference: str
) -> None:
    """Clients may use any number as a reference."""
    created = api.create("+919811100001", reference=reference)
    assert [each["id"] for each in find_json(environ, reference)] == [created["id"]]
    assert run_command("find", reference, **environ).exit_code == 0


def test_find_by_digits_that_are_a_number_and_a_reference_lists_each_once(
    api: ApiClient, environ: dict[str, str]
) -> None:
    """The number's own verification also has it as its reference."""
    both = api.create(reference="9876543210")
    other = api.as_bank().create("+919811100001", reference="9876543210")
    found = json.loads(run_command("find", "9876543210", "--json", **environ).output)
    assert sorted(each["id"] for each in found["verifications"]) == sorted(
        [both["id"], other["id"]]
    )
    assert found["searched"] == ["number", "reference"]
    output = run_command("find", "9876543210", **environ).output
    assert "Searched as a number and as a reference.\n" in output


@pytest.mark.parametrize(
    ("regions", "text", "sentence"),
    [
        ("IN", "12345", "Searched as a reference, not as a number: This number cannot"),
        ("IN,US", "9876543210", "Searched as a reference, not as a number: The calling code is"),
        ("IN", "9812345678", "Searched as a number and as a reference."),
        ("IN", UNKNOWN, "Searched as an id."),
        ("IN", "login-0", "Searched as a reference.\n"),
    ],
)
def test_find_without_a_result_names_what_was_searched(
    environ: dict[str, str], api: ApiClient, regions: str, text: str, sentence: str
) -> None:
    """It says how to write a number, where the digits are not searched as one."""
    assert api.create()
    done = run_as_operator(environ | {"OTPVOICE_LIMITS_REGIONS": regions}, "find", text)
    assert done.exit_code == 1
    assert sentence in done.output


@pytest.mark.parametrize("text", ["+91 98123 4567", "+91 abc", "tel:98", "+-", "＋12"])
def test_find_refuses_an_invalid_international_number(environ: dict[str, str], text: str) -> None:
    """Exit status 2. The error does not repeat the text."""
    refused = run_command("find", text, **environ)
    assert refused.exit_code == 2
    assert "number" in refused.output
    assert text not in refused.output
