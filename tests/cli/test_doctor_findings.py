"""``otpvoice doctor``: the level of each finding, without a running service."""

from dataclasses import replace
from typing import Any

import pytest
from api.api_client import settings_with
from cli.findings import failed_subjects, finding_about, with_remedies

from otpvoice.cli.doctor import run_check
from otpvoice.cli.doctor.accounts import account_checks
from otpvoice.cli.doctor.network import callback_finding
from otpvoice.cli.doctor.settings import flow_findings, number_findings, service_findings
from otpvoice.cli.doctor.store import discovery_finding, health_findings, server_findings
from otpvoice.diagnostics import Level, ok
from otpvoice.providers.mobtexting.checks import balance_finding
from otpvoice.providers.mobtexting.queries import AccountStatus
from otpvoice.store.discovery import DiscoveryNode, ServerInfo
from otpvoice.store.models import Health, Quarantine

MIB = 1024 * 1024
HEALTHY_SERVER = ServerInfo(
    name="valkey",
    version="9.1.2",
    redis_version=(7, 2, 4),
    appendonly="yes",
    appendfsync="always",
    maxmemory_policy="noeviction",
    is_primary=True,
    is_cluster_node=False,
    replicas=1,
    min_replicas=1,
    memory_used_bytes=10 * MIB,
    memory_limit_bytes=1000 * MIB,
    clock_offset_s=0.1,
    round_trip_s=0.0002,
)
OK, ADVICE, WARN, FAIL = Level


def test_healthy_server_is_ok() -> None:
    """In production, too."""
    found = with_remedies(server_findings(HEALTHY_SERVER, production=True))
    assert {each.level for each in found} == {OK}


@pytest.mark.parametrize(
    ("change", "subject", "level", "text"),
    [
        ({"redis_version": (6, 2, 14), "version": "6.2.14"}, "redis", FAIL, "6.2.14 is too old"),
        ({"appendonly": "no"}, "redis appendonly", FAIL, "a restart loses"),
        ({"appendonly": None}, "redis appendonly", WARN, "does not report it"),
        ({"appendfsync": "everysec"}, "redis appendfsync", WARN, "a crash can lose"),
        ({"maxmemory_policy": "allkeys-lru"}, "redis maxmemory-policy", FAIL, "drops limits"),
        ({"is_primary": False}, "redis role", FAIL, "replica"),
        ({"is_cluster_node": True}, "redis role", FAIL, "redis.url is not a cluster's"),
        ({"replicas": 0}, "redis replicas", ADVICE, "there is none"),
        ({"min_replicas": 0}, "redis replicas", ADVICE, "min-replicas-to-write 0"),
        ({"memory_limit_bytes": 0}, "redis maxmemory", ADVICE, "no limit"),
        ({"memory_used_bytes": 900 * MIB}, "redis maxmemory", WARN, "900 MiB used of 1000 MiB"),
        ({"clock_offset_s": 2.5}, "clock", WARN, "2.5 s apart"),
        ({"clock_offset_s": -2.5}, "clock", WARN, "2.5 s apart"),
        ({"clock_offset_s": -1.9}, "clock", OK, "1.9 s apart"),
        ({"round_trip_s": 0.02}, "redis latency", WARN, "20.0 ms"),
    ],
)
def test_server_fault_is_one_finding(
    change: dict[str, Any], subject: str, level: Level, text: str
) -> None:
    """The other findings stay ok."""
    found = with_remedies(server_findings(replace(HEALTHY_SERVER, **change), production=True))
    only = finding_about([each for each in found if each.level is level or level is OK], subject)
    assert text in only.found
    assert sum(each.level is not OK for each in found) == (level is not OK)


def test_cluster_node_with_cluster_url_is_no_failure() -> None:
    """The URL says that it is a cluster."""
    node = replace(HEALTHY_SERVER, is_cluster_node=True)
    found = server_findings(node, production=True, url="redis+cluster://one:1,two:2")
    assert not [*failed_subjects(found)]


ONE, TWO = ("10.0.0.1", 6379), ("10.0.0.2", 6379)


@pytest.mark.parametrize(
    ("primaries", "level", "text"),
    [
        ([ONE, ONE, ONE], OK, "10.0.0.1:6379, reported by 3 of 3"),
        ([ONE, None, ONE], WARN, "check s1:1"),
        ([ONE, TWO, ONE], WARN, "others differ"),
        ([None, None, None], FAIL, "no server reports one"),
        ([ONE], ADVICE, "name all of them"),
    ],
)
def test_discovery_nodes_should_agree_on_the_primary(
    primaries: list[tuple[str, int] | None], level: Level, text: str
) -> None:
    """All agree; one is silent; they differ; none knows it; there is only one node."""
    nodes = [DiscoveryNode((f"s{i}", i), each) for i, each in enumerate(primaries)]
    finding = discovery_finding(nodes)
    assert finding.level is level
    assert text in str(finding)


def test_degraded_service_is_a_warning() -> None:
    """No dialer, a closed route, an open breaker."""
    quarantine = Quarantine(0, 0, (), ())
    health = Health(0, ("c2c",), ("conversion_breaker area +919876",), quarantine)
    found = with_remedies(health_findings(health))
    assert {(each.level, each.subject) for each in found} == {
        (WARN, "dialer"),
        (WARN, "route c2c"),
        (WARN, "conversion_breaker"),
    }


@pytest.mark.parametrize(
    ("account", "subject", "level"),
    [
        (AccountStatus(200, "accepts the token", "1000.0000"), "provider balance", OK),
        (AccountStatus(200, "accepts the token", "99.5"), "provider balance", WARN),
        (AccountStatus(200, "accepts the token", "0.0000"), "provider balance", FAIL),
        (AccountStatus(200, "accepts the token", "-1"), "provider balance", FAIL),
        (AccountStatus(200, "accepts the token", None), "provider balance", ADVICE),
        (AccountStatus(200, "accepts the token", "1.2.3"), "provider balance", ADVICE),
        (AccountStatus(401, "HTTP 401"), "provider.token", FAIL),
        (AccountStatus(402, "HTTP 402"), "provider balance", FAIL),
        (AccountStatus(404, "HTTP 404"), "provider address", FAIL),
        (AccountStatus(None, "TimeoutError"), "provider address", FAIL),
    ],
)
def test_account_status_decides_finding(account: AccountStatus, subject: str, level: Level) -> None:
    """Credit, no credit, a wrong token, a wrong address, and invalid credits."""
    finding = balance_finding("provider", account)
    assert (finding.subject, finding.level) == (subject, level)


@pytest.mark.parametrize(
    ("changes", "subject", "level", "text"),
    [
        ({"limits_regions": "US"}, "limits.regions", OK, "US: fixed_line_or_mobile"),
        (
            {"limits_regions": "GB", "limits_number_types": "fixed_line_or_mobile"},
            "limits.regions",
            WARN,
            "GB: no known number",
        ),
        ({"limits_regions": ""}, "limits.regions", FAIL, "every number is refused"),
        ({"clients_bank_regions": "AI"}, "clients.bank.regions", OK, "AI: mobile"),
        ({"limits_deny_prefixes": "+44"}, "limits.deny_prefixes[0]", ADVICE, "has no effect"),
        ({"limits_deny_prefixes": "+91"}, "limits.deny_prefixes[0]", WARN, "every number of IN"),
        ({"limits_deny_prefixes": "+91"}, "limits.regions", WARN, "IN: no known number"),
        ({"limits_deny_prefixes": "+91140"}, "limits.deny_prefixes[0]", OK, "is denied"),
    ],
)
def test_number_rules_are_tried_with_samples(
    environ: dict[str, str], changes: dict[str, str], subject: str, level: Level, text: str
) -> None:
    """One number of each region and type."""
    found = with_remedies(number_findings(settings_with(environ, **changes)))
    only = finding_about(found, subject)
    assert only.level is level
    assert text in only.found


@pytest.mark.parametrize(
    ("changes", "subject", "level"),
    [
        ({"provider_audio": "17"}, "provider.audio", FAIL),
        ({"provider_interval": "5"}, "provider.interval", WARN),
        ({"provider_c2c_attempts": "2"}, "provider.c2c_attempts", WARN),
        ({"provider_flows": "default=24"}, "provider.flows.default", ADVICE),
        (
            {"provider_flows": '{"default": {"id": "24", "text": "Hello {Name}"}}'},
            "provider.flows.default",
            FAIL,
        ),
        (
            {"provider_flows": '{"default": {"id": "24", "text": "It is {otp}"}}'},
            "provider.flows.default",
            ADVICE,
        ),
        ({"clients_bank_flows": "default=30"}, "clients.bank.flows.default", ADVICE),
    ],
)
def test_flow_that_may_not_speak_the_code_once_is_reported(
    environ: dict[str, str], changes: dict[str, str], subject: str, level: Level
) -> None:
    """A sound, a redial by the provider, a text without the code, or with it once."""
    settings = settings_with(environ, **changes)
    found = with_remedies(flow_findings(settings, account_checks(settings)))
    assert finding_about(found, subject).level is level


def test_text_that_speaks_the_code_once_has_no_finding(environ: dict[str, str]) -> None:
    """Its provider speaks it three times."""
    own = {
        "providers_home_kind": "plivo",
        "providers_home_auth_id": "MA000000000000000000",
        "providers_home_auth_token": "t0ken",
        "providers_home_bridge": "918047285000",
        "providers_home_texts": '{"default": "It is {otp}"}',
        "provider_flows": '{"default": {"id": "24", "text": "{otp}. {otp}"}}',
    }
    settings = settings_with(environ, **own)
    assert not [*flow_findings(settings, account_checks(settings))]


def test_flow_that_speaks_the_code_twice_has_no_finding(environ: dict[str, str]) -> None:
    """With either kind of braces. Of a gated one without a text, the key says what was spoken."""
    flows = '{"default": {"id": "24", "text": "{otp}. {{otp}}"}, "hi": {"id": "25", "gate": true}}'
    settings = settings_with(environ, provider_flows=flows)
    assert not [*flow_findings(settings, account_checks(settings))]


def test_setting_unfit_for_production_is_a_warning(environ: dict[str, str]) -> None:
    """Before ``server.production`` is true."""
    changes = {"server_public_url": "http://otp.example.com"}
    changes |= {"provider_base_url": "http://provider.example.com/"}
    settings = settings_with(environ, **changes)
    found = with_remedies(service_findings(settings, [*account_checks(settings)]))
    names = {each.subject for each in found if each.level is WARN}
    assert names == {"server.production", "server.public_url", "provider.base_url"}


def test_exception_in_a_check_is_a_finding() -> None:
    """Earlier findings are kept, and the exception's text is not shown."""

    def failing_check() -> Any:
        yield ok("one", "fine")
        raise RuntimeError("the code is 482913")

    first, second = run_check("all", failing_check)
    assert (first.level, second.level) == (OK, FAIL)
    assert "RuntimeError" in second.found
    assert "482913" not in str(second)


GATED = '{"default": {"text": "{otp}", "gate": true, "prompt": "Press 1."}}'
PROVIDERS = {
    "provider": {"provider_base_url": "https://portal.example.com/"},
    "providers.x": {
        "providers_x_kind": "plivo",
        "providers_x_auth_id": "MA0000",
        "providers_x_auth_token": "token-of-plivo",
        "providers_x_bridge": "918047285000",
        "providers_x_texts": "default={otp}",
    },
}
"""The second one fetches the code."""


@pytest.mark.parametrize(
    ("public_url", "levels", "text"),
    [
        ("https://8.8.8.8", (OK, OK), "public, and https"),
        ("http://8.8.8.8", (WARN, FAIL), "plain http"),
        ("http://127.0.0.1:8000", (FAIL, FAIL), "not in the internet"),
        ("https://localhost", (FAIL, FAIL), "not in the internet"),
        ("https://192.168.1.5", (FAIL, FAIL), "not in the internet"),
        ("https://[fe80::1]", (FAIL, FAIL), "not in the internet"),
        ("https://name.invalid", (WARN, WARN), "no public address"),
    ],
)
def test_provider_must_reach_the_public_address(
    environ: dict[str, str], public_url: str, levels: tuple[Level, Level], text: str
) -> None:
    """Over https: with plain http, others hear the code that Plivo fetches."""
    changes = {"server_public_url": public_url, **PROVIDERS["provider"], **PROVIDERS["providers.x"]}
    found = with_remedies(map(callback_finding, account_checks(settings_with(environ, **changes))))
    assert [(each.subject, each.level) for each in found] == [
        *zip(("provider callbacks", "providers.x callbacks"), levels, strict=True),
    ]
    assert all(text in each.found for each in found)


def test_sandbox_reaches_any_address(environ: dict[str, str]) -> None:
    """It runs on this machine."""
    changes = {"provider_base_url": "http://localhost:8100/api/v2/"}
    changes["server_public_url"] = "http://localhost:8000"
    (found,) = map(callback_finding, account_checks(settings_with(environ, **changes)))
    assert found.level is OK


@pytest.mark.parametrize(
    ("owner", "text", "level"),
    [
        ("providers_x", "default={otp}", WARN),
        ("providers_x", GATED, FAIL),
        ("clients_bank", GATED, FAIL),
    ],
)
def test_key_gate_lets_a_provider_fetch_the_code(
    environ: dict[str, str], owner: str, text: str, level: Level
) -> None:
    """Of the account or of a client: without one, the code is only in the request of a call."""
    account = {"kind": "twiml", "vendor": "twilio", "account": "AC1", "token": "token-of-twilio"}
    more = {"bridge": "12025550100", "texts": "default={otp}"}
    changes = {f"providers_x_{name}": value for name, value in {**account, **more}.items()}
    changes |= {"server_public_url": "http://8.8.8.8", f"{owner}_texts": text}
    accounts = account_checks(settings_with(environ, **changes))
    (finding,) = [callback_finding(each) for each in accounts if each.name == "x"]
    assert finding.level is level
