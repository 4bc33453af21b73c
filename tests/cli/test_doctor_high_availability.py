"""``otpvoice doctor`` with Sentinels or a cluster as the store."""

from pathlib import Path

import pytest
from cli.findings import doctor_findings, finding_about
from support.valkey import cluster, sentinels

from otpvoice.diagnostics import Finding, Level
from otpvoice.store.discovery import discovery_nodes
from otpvoice_demo.stack import free_port

OK, ADVICE, WARN, FAIL = Level


@pytest.fixture
def settings_environ(environ: dict[str, str]) -> dict[str, str]:
    """Return settings with an unreachable provider, because these tests are about the store."""
    closed = f"http://127.0.0.1:{free_port()}"
    return {**environ, "OTPVOICE_PROVIDER_BASE_URL": closed, "OTPVOICE_SERVER_PUBLIC_URL": closed}


def findings_with_store(settings_environ: dict[str, str], url: str) -> list[Finding]:
    """Run all checks with this store."""
    return doctor_findings({**settings_environ, "OTPVOICE_REDIS_URL": url})


def test_sentinels_report_the_primary(settings_environ: dict[str, str], tmp_path: Path) -> None:
    """A stopped Sentinel is named, and a replica cannot be the store."""
    with sentinels(tmp_path) as servers:
        found = findings_with_store(settings_environ, servers.url)
        primary = finding_about(found, "redis primary")
        assert (primary.level, "reported by 3 of 3" in primary.found) == (OK, True), primary
        assert finding_about(found, "redis replicas").level is ADVICE
        assert "1 connected" in finding_about(found, "redis replicas").found
        replica = findings_with_store(
            settings_environ, f"redis://127.0.0.1:{servers.replica.port}/0"
        )
        assert finding_about(replica, "redis role").level is FAIL
        servers.others[0].process.kill()
        primary = finding_about(findings_with_store(settings_environ, servers.url), "redis primary")
        assert (primary.level, "reported by 2 of 3" in primary.found) == (WARN, True), primary
        assert str(servers.others[0].port) in primary.todo


def test_cluster_nodes_report_the_primary(settings_environ: dict[str, str], tmp_path: Path) -> None:
    """The primary has the service's slot; a node's own URL is a failure."""
    with cluster(tmp_path) as servers:
        found = findings_with_store(settings_environ, servers.url)
        primary = finding_about(found, "redis primary")
        assert (primary.level, "reported by 4 of 4" in primary.found) == (OK, True), primary
        alone = findings_with_store(settings_environ, f"redis://127.0.0.1:{servers.primary.port}/0")
        assert finding_about(alone, "redis role").level is FAIL


def test_unreachable_sentinels_report_no_primary() -> None:
    """Each one is queried."""
    url = f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{free_port()}/main/0"
    assert [each.primary for each in discovery_nodes(url)] == [None, None]


def test_sentinels_with_their_own_password(
    settings_environ: dict[str, str], tmp_path: Path
) -> None:
    """A refused login names the server: a Sentinel, or the primary."""
    with sentinels(tmp_path) as servers:
        for node, word in [
            *((each, "watch") for each in servers.others),
            (servers.primary, "main"),
        ]:
            node.output(f"ACL SETUSER default resetpass >{word}")
        places = servers.url.removeprefix("redis+sentinel://").partition("/")[0]
        url = f"redis+sentinel://default:main@{places}/main/0"
        right = {"OTPVOICE_REDIS_SENTINEL_PASSWORD": "watch"}

        refused = finding_about(findings_with_store(settings_environ, url), "redis primary")
        assert refused.level is FAIL
        assert f"127.0.0.1:{servers.others[0].port} (password required)" in refused.found
        assert "redis.sentinel_password" in refused.todo

        wrong = finding_about(
            findings_with_store({**settings_environ, "OTPVOICE_REDIS_SENTINEL_PASSWORD": "x"}, url),
            "redis",
        )
        assert "no primary" in wrong.found
        assert "wrong password" in wrong.found

        for found in (
            findings_with_store(settings_environ | right, url),
            findings_with_store(
                settings_environ, f"{url}?sentinel_username=default&sentinel_password=watch"
            ),
        ):
            assert finding_about(found, "redis primary").level is OK
            assert finding_about(found, "redis functions").level is OK

        primary = findings_with_store(
            settings_environ | right, url.replace("default:main@", "default:no@")
        )
        assert finding_about(primary, "redis primary").level is OK
        assert finding_about(primary, "redis").found.endswith("wrong password")
        assert "redis.url" in finding_about(primary, "redis").todo
