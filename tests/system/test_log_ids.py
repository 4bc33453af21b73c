"""A number has one log id, and every output that prints it prints the one of the log lines."""

import json
import re
from pathlib import Path

import requests
from cli.cli_runner import run_command
from hypothesis import given
from hypothesis import strategies as st
from support.stack import running_service

from otpvoice.admin.limits import number_limits
from otpvoice.cli.keys import hash_key
from otpvoice.cli.render import number_document
from otpvoice.core.keys import LogId, NumberHasher
from otpvoice.core.limits import CallLimits
from otpvoice.core.phone import parse_number
from otpvoice.store.admin import Explanation, identify_number

ADMIN_KEY = "ova_admin-key-of-the-tests"
NUMBERS = [f"+9198765432{n}0" for n in range(8)]
_SHOWN = re.compile(r"Its id in the log is <code>([^<]*)</code>")


@given(st.binary(min_size=32, max_size=32), st.integers(7_000_000_000, 9_999_999_999))
def test_log_id_of_any_number_is_eight_letters_and_equal_everywhere(
    key: bytes, digits: int
) -> None:
    """For any number and any key: the command's document, the log's short name, one type."""
    number, number_key = parse_number(f"+91{digits}"), NumberHasher(key)
    expected = LogId.from_hash(number_key.hash(number.e164))
    telephone = identify_number(number, number_key)
    nothing = Explanation(now=0, gap_until=0, blocked_until=0, limits=(), refusals=())
    printed = number_document(number_limits(nothing, telephone, CallLimits()))["name_in_logs"]
    assert re.fullmatch(r"[A-Za-z]{8}", expected)
    assert telephone.log_id == printed == expected
    assert isinstance(expected, LogId)


def test_log_id_printed_by_command_and_console_is_found_in_the_log(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """In the log of a real run, for several numbers: four of five differed when forms differed."""
    admin = {"OTPVOICE_SECRETS_ADMIN_KEY_SHA256": hash_key(ADMIN_KEY)}
    with running_service(environ, tmp_path, **admin) as stack:
        begun = {number: stack.service.create(number)["id"] for number in NUMBERS}
        console = {number: _console_id(stack.service.url, number) for number in NUMBERS}
        command = {number: _command_id(stack.variables, number) for number in NUMBERS}
        for number in NUMBERS:
            stack.service.wait_for_code(number)
        assert (stack.dialer.terminate(), stack.api.terminate()) == (0, 0)
    for name in ("api.log", "dialer.log"):
        logged = {}
        for line in map(json.loads, (tmp_path / name).read_text("utf-8").splitlines()):
            if "number" in line and "verification" in line:
                logged[line["verification"]] = line["number"]
        assert {number: logged[known] for number, known in begun.items()} == console == command


def _console_id(url: str, number: str) -> str:
    answer = requests.post(
        f"{url}/console/search",
        data={"query": number},
        auth=("asha", ADMIN_KEY),
        headers={"Origin": url},
        timeout=5,
    )
    (shown,) = _SHOWN.findall(answer.text)
    return str(shown)


def _command_id(variables: dict[str, str], number: str) -> str:
    explained = run_command("limits", "explain", number, "--json", **variables).output
    return str(json.loads(explained)["name_in_logs"])
