"""Servers with certificates of a private authority that ask for the client's certificate.

The system's Redis, because the wheel's Valkey is built without TLS.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError
from support.certificates import Authority
from support.processes import Process, find_program, free_port, wait_until

from otpvoice.core.errors import StoreUnavailable
from otpvoice.settings.redis import Redis as RedisSection
from otpvoice.store.discovery import address_of, connect, discovery_nodes
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.replies import UNTRUSTED


class TlsServers:
    """A primary, a Sentinel that watches it, and a cluster of one node; no port without TLS."""

    def __init__(self, folder: Path) -> None:
        self.program = find_program("redis-server")
        self.authority = Authority.at(folder)
        self.ca_file = str(self.authority.path)
        self.cert = str(self.authority.issue("127.0.0.1"))
        self.folder = folder

    @contextmanager
    def server(self, name: str, *options: str, rules: str = "") -> Iterator[int]:
        """Start a server, and yield its port."""
        port = free_port()
        config = self.folder / f"{name}.conf"
        config.write_text(rules)
        command = [self.program, str(config), "--port", "0", "--tls-port", str(port)]
        command += ["--tls-ca-cert-file", self.ca_file, "--tls-auth-clients", "yes"]
        command += ["--tls-cert-file", self.cert, "--tls-key-file", self.cert]
        command += ["--tls-replication", "yes", "--bind", "127.0.0.1", "--save", "", *options]
        with Process(command, self.folder / f"{name}.log") as process:
            process.wait_until_ready(lambda: self.is_ready(port), name)
            yield port

    def is_ready(self, port: int) -> bool:
        """Return whether the server at this port serves commands."""
        try:
            with closing(self.client(port)) as client:
                return bool(client.ping())
        except RedisError:
            return False

    def client(self, port: int) -> Redis:
        """Connect to one server."""
        files = {"ca_file": self.ca_file, "client_cert": self.cert}
        return connect(RedisSection(url=f"rediss://127.0.0.1:{port}", **files).full_url)


def refusal(section: RedisSection) -> str:
    """Return why no command is served."""
    with (
        closing(connect(section.full_url, timeout_s=10)) as client,
        pytest.raises(StoreUnavailable) as raised,
    ):
        RedisStore(client).health()
    return raised.value.reason or ""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> TlsServers:
    """Return servers that are not started yet."""
    return TlsServers(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def urls(servers: TlsServers) -> Iterator[dict[str, str]]:
    """Start all of them, and yield the URL of each kind."""
    with ExitStack() as stack:
        primary = stack.enter_context(servers.server("primary"))
        watch = f"sentinel monitor main 127.0.0.1 {primary} 1\n"
        sentinel = stack.enter_context(servers.server("watcher", "--sentinel", rules=watch))
        options = ("--cluster-enabled", "yes", "--tls-cluster", "yes")
        bus = ("--cluster-port", str(free_port()), "--dir", str(servers.folder))
        node = stack.enter_context(servers.server("node", *options, *bus))
        with closing(servers.client(node)) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")  # type: ignore[no-untyped-call]
            wait_until(lambda: client.cluster("INFO")["cluster_state"] == "ok", "the cluster")
        yield {
            "one": f"rediss://127.0.0.1:{primary}/0",
            "sentinel": f"redis+sentinel://127.0.0.1:{sentinel}/main/0?tls=true",
            "cluster": f"redis+cluster://127.0.0.1:{node}?tls=true",
        }


@pytest.mark.parametrize("kind", ["one", "sentinel", "cluster"])
def test_private_authority_and_client_certificate(
    servers: TlsServers, urls: dict[str, str], kind: str
) -> None:
    """Each kind of URL takes them from the settings, for the lookup of the primary as well."""
    section = RedisSection(url=urls[kind], ca_file=servers.ca_file, client_cert=servers.cert)
    with closing(connect(section.full_url, timeout_s=10)) as client:
        assert RedisStore(client).health()
        assert servers.cert not in address_of(client)
    if kind != "one":
        (node,) = discovery_nodes(section.full_url)
        assert node.primary


@pytest.mark.parametrize("kind", ["one", "sentinel", "cluster"])
def test_other_authorities_are_not_trusted(
    servers: TlsServers, urls: dict[str, str], kind: str
) -> None:
    """The reason says which setting is missing, and names no file."""
    section = RedisSection(url=urls[kind], client_cert=servers.cert)
    assert UNTRUSTED in refusal(section)


def test_client_without_a_certificate_is_refused(servers: TlsServers, urls: dict[str, str]) -> None:
    """Before any command is served."""
    section = RedisSection(url=urls["one"], ca_file=servers.ca_file)
    assert refusal(section) == "TLS failed"


def test_certificate_of_another_name_is_not_trusted(
    servers: TlsServers, urls: dict[str, str]
) -> None:
    """The address in the URL is the one that the certificate must have."""
    url = urls["one"].replace("127.0.0.1", "localhost")
    section = RedisSection(url=url, ca_file=servers.ca_file, client_cert=servers.cert)
    assert refusal(section) == UNTRUSTED
