"""``otpvoice export`` writes verifications for auditors: no code, and numbers only if asked for."""

import time

import pytest
from api.api_client import ApiClient, ManualDialer
from cli.cli_runner import CODE, call_number, run_command
from cli.exports import MASKED, RAVI, lines_of, run_export
from support.service import ASHA


def test_export_writes_the_objects_of_the_api_with_masked_numbers(
    api: ApiClient, dialer: ManualDialer, environ: dict[str, str]
) -> None:
    """Of all clients, with their calls, in ASCII. The code is nowhere."""
    created = call_number(api, dialer, 2)
    created.append(api.as_bank().create(RAVI, reference="login-ह"))
    done = run_export(environ)
    assert done.exit_code == 0
    assert "Exported 3 verifications, created from the oldest to" in done.stderr
    assert "Records left out: 0." in done.stderr
    assert done.stdout.isascii()
    exported = lines_of(done)
    assert [each["client"] for each in exported] == ["login", "login", "bank"]
    assert [each["to"] for each in exported] == [MASKED, MASKED, "+91******5678"]
    for line, verification in zip(exported[:2], created, strict=False):
        shown = api.get_verification(verification)
        changing = {"to", "client", "expires_in", "next"}
        assert line.keys() == {*shown, "client"}
        assert all(line[name] == shown[name] for name in shown.keys() - changing)
        assert line["calls"][0]["status"] == "answered"


def test_export_has_the_transaction(api: ApiClient, environ: dict[str, str]) -> None:
    """As the API shows it."""
    payment = {"amount": "2500.00", "currency": "INR", "payee": "ACME Stores"}
    api.create(code=CODE, transaction=payment)
    (line,) = lines_of(run_export(environ))
    assert line["transaction"] == payment


def test_export_with_open_writes_whole_numbers(api: ApiClient, environ: dict[str, str]) -> None:
    api.create(code=CODE)
    done = run_command("export", "--open", **environ)
    assert done.exit_code == 0
    (line,) = lines_of(done)
    assert line["to"] == ASHA
    assert CODE not in done.output


def test_export_takes_a_period_by_the_time_of_creation(
    api: ApiClient, environ: dict[str, str]
) -> None:
    """From the first time, before the second. Durations count back from now."""
    for hours in (30, 20, 10):
        api.advance_time(-3600 * hours)
        api.create(reference=f"login-{hours}")
        api.advance_time(3600 * hours)
    for period, found in (
        (("--since", "25h"), ["login-10", "login-20"]),
        (("--since", "25h", "--until", "15h"), ["login-20"]),
        (("--until", "1500m"), ["login-30"]),
        (("--since", "90000", "--until", "15h"), ["login-20"]),
        (("--since", iso_time(25), "--until", iso_time(15)), ["login-20"]),
        (("--since", "2020-01-01", "--until", "2020-02-01 12:00"), []),
    ):
        done = run_export(environ, *period)
        assert done.exit_code == 0
        assert [each["reference"] for each in lines_of(done)] == found, period


def iso_time(hours_ago: int) -> str:
    """Return a time as the API writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600 * hours_ago))


@pytest.mark.parametrize("name", ["--since", "--until"])
@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "7w", "-7d", "366d", "999999999d", "2026-13-01", "2026-01-01T25:00"),
        *("1.5h", "٧d", "0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59", "now"),
    ],
)
def test_invalid_time_is_a_usage_error_that_names_the_forms(
    environ: dict[str, str], name: str, text: str
) -> None:
    done = run_command("export", name, text, **environ)
    assert done.exit_code == 2
    assert f"'{name}'" in done.output
    assert "7d" in done.output
    assert "2026-01-31T18:00:00Z" in done.output.replace("\n", " ")


@pytest.mark.parametrize(
    "period",
    [
        ("--since", "1h", "--until", "2h"),
        ("--since", "2999-01-01"),
        ("--since", "2026-01-01", "--until", "2026-01-01"),
        ("--until", "1960-01-01"),
    ],
)
def test_empty_period_is_a_usage_error(environ: dict[str, str], period: tuple[str, ...]) -> None:
    done = run_command("export", *period, **environ)
    assert done.exit_code == 2
    assert "--since must be before --until" in done.output


def test_export_of_a_number_has_its_verifications_only(
    api: ApiClient, environ: dict[str, str]
) -> None:
    """The number may be written as for the other commands. The log has its id."""
    created = [api.create(reference=f"login-{i}") for i in range(2)]
    api.create(RAVI)
    done = run_export(environ, "--number", "98765 43210")
    assert (done.exit_code, [each["id"] for each in lines_of(done)]) == (
        0,
        [each["id"] for each in created],
    )
    (entry,) = api.store.sweep("a dialer").audit_entries
    assert entry.details["to"] == MASKED
    assert entry.details["number"]
    wrong = run_export(environ, "--number", "12345")
    assert wrong.exit_code == 2
    assert "Invalid value for '--number'" in wrong.stderr
