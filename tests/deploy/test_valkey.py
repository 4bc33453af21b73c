"""The shipped configuration of Valkey: durability and users."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from cli.cli_runner import run_command
from deploy.nginx_proxy import CONFIG
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry
from support.processes import Process, free_port
from support.service import ASHA
from support.stack import running_service
from support.valkey import VALKEY

PASSWORD = "password-of-the-tests-5f0a1c"


@dataclass(frozen=True)
class ValkeyServer:
    """A running Valkey with the shipped configuration."""

    port: int

    @property
    def url(self) -> str:
        """Return the value of ``redis.url``."""
        return f"redis://otpvoice:{PASSWORD}@127.0.0.1:{self.port}/0"

    def client_for(self, user: str | None, password: str | None = None) -> Redis:
        """Connect as this user."""
        once = Retry(NoBackoff(), 0)
        return Redis(port=self.port, username=user, password=password, protocol=2, retry=once)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """Run Valkey with the shipped files; only port and folder differ."""
    folder = tmp_path_factory.mktemp("valkey")
    users, port = folder / "users.acl", free_port()
    sample = (CONFIG / "valkey-users.acl").read_text("utf-8")
    own = sample.replace("SAMPLE-REPLACE-ME", sha256(PASSWORD.encode()).hexdigest()).rstrip()
    users.write_text(f"{own} +flushdb\n", "utf-8")  # the tests empty it
    command = [VALKEY, str(CONFIG / "valkey.conf"), "--port", str(port)]
    command += ["--dir", str(folder), "--aclfile", str(users)]
    store = ValkeyServer(port)
    with Process(command, folder / "log") as process:
        with closing(store.client_for("health", "any")) as health:
            process.wait_until_ready(lambda: _responds(health), "the store")
        yield store


def _responds(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisConnectionError:
        return False


def test_verification_runs_with_shipped_users(
    valkey: ValkeyServer, environ: dict[str, str], tmp_path: Path
) -> None:
    """A verification is created, called and approved; doctor reports no fault of the store."""
    there = environ | {"OTPVOICE_REDIS_URL": valkey.url}
    with running_service(there, tmp_path) as stack:
        verification = stack.service.create()
        code = stack.service.wait_for_code(ASHA)
        assert stack.service.check(verification, code).json()["valid"] is True
        stack.service.wait_for_call(verification, "answered")
        for words in (
            *("limits", f"find {ASHA}", f"limits block {ASHA}", "export"),
            f"forget {ASHA} --yes",
        ):
            done = run_command(*words.split(), **stack.variables)
            assert done.exit_code == 0, done.output
        found = run_command("doctor", **stack.variables).output
    of_the_store = re.findall(r"^(ok|warn|FAIL) +redis.*", found, re.MULTILINE)
    assert len(of_the_store) >= 4
    assert set(of_the_store) == {"ok"}


def test_user_has_no_other_permissions(valkey: ValkeyServer) -> None:
    """Other keys, the configuration and the whole database are forbidden."""
    with closing(valkey.client_for("otpvoice", PASSWORD)) as redis:
        for words in ("GET other", "FLUSHALL", "KEYS *", "CONFIG SET appendonly no", "SHUTDOWN"):
            with pytest.raises(NoPermissionError):
                redis.execute_command(*words.split())  # type: ignore[no-untyped-call] # has no types


def test_other_users_are_refused(valkey: ValkeyServer) -> None:
    """Without a password; the user "health" may only PING."""
    with closing(valkey.client_for(None)) as stranger, pytest.raises(AuthenticationError):
        stranger.ping()
    with closing(valkey.client_for("health", "any")) as health:
        assert health.ping()
        with pytest.raises(NoPermissionError):
            health.get("{otpvoice}:x")


def test_server_has_durable_settings(valkey: ValkeyServer) -> None:
    """The running server reports the settings that durability requires."""
    with closing(valkey.client_for("otpvoice", PASSWORD)) as redis:
        config = (
            redis.config_get("append*") | redis.config_get("maxmemory*") | redis.config_get("save")
        )
    assert (config["appendonly"], config["appendfsync"]) == ("yes", "always")
    assert (config["maxmemory-policy"], config["maxmemory"]) == ("noeviction", str(1 << 30))
    assert config["save"] == ""
