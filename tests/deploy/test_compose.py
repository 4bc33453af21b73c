"""Dockerfile and config/compose.yaml fit the commands, settings and files of the repository."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped] # it ships no types
from deploy.nginx_proxy import CONFIG

from otpvoice.cli import main
from otpvoice.cli.serve import DIALER_GRACE_S, GRACE_S
from otpvoice.settings.sources import collect

COMPOSE = CONFIG / "compose.yaml"
ROOT = CONFIG.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
CREATED_BY_OPERATOR = {"tls", "acme"}
"""Directories next to the shipped files, without that of the secrets."""


def composition() -> dict[str, Any]:
    """Parse the file with the defaults of its variables."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text("utf-8"))
    found: dict[str, Any] = yaml.safe_load(text)
    return found


COMPOSE_FILE = composition()
SERVICES: dict[str, dict[str, Any]] = COMPOSE_FILE["services"]
OTPVOICE_SERVICES = {
    name: each for name, each in SERVICES.items() if each["image"].startswith("otpvoice:")
}


def command_of(service: dict[str, Any]) -> list[str]:
    """Return the arguments of ``otpvoice`` in a container."""
    if "entrypoint" not in service:
        return list(service["command"])
    (script,) = service["command"]
    said = shlex.split(script.replace("$$", "$"))
    return said[said.index("otpvoice") + 1 :]


@pytest.mark.parametrize("name", OTPVOICE_SERVICES)
def test_command_of_container_exists(name: str) -> None:
    """With its options."""
    command, *options = command_of(OTPVOICE_SERVICES[name])
    _, known, _ = main.resolve_command(click.Context(main), [command])
    assert known
    taken = {spelling for option in known.params for spelling in option.opts}
    assert {word for word in options if word.startswith("--")} <= taken


@pytest.mark.parametrize("name", OTPVOICE_SERVICES)
def test_variables_and_secret_files_of_container_are_settings(name: str, tmp_path: Path) -> None:
    """The directory of secrets is where they are mounted."""
    variables: dict[str, str] = OTPVOICE_SERVICES[name]["environment"]
    assert variables["OTPVOICE_SECRETS_DIR"] == "/run/secrets"
    for secret in OTPVOICE_SERVICES[name]["secrets"]:
        (tmp_path / secret).touch()
    secrets = len(OTPVOICE_SERVICES[name]["secrets"])
    environ = {**variables, "OTPVOICE_SECRETS_DIR": str(tmp_path)}
    environ.pop("OTPVOICE_CONFIG")
    values, warnings = collect(environ)
    assert warnings == []
    assert secrets == 5
    assert len(values) == len(variables) - 2 + secrets  # two variables are not settings
    assert variables["OTPVOICE_SERVER_PRODUCTION"] == "true"


@pytest.mark.parametrize("name", SERVICES)
def test_mount_has_a_source(name: str) -> None:
    """A shipped file, a directory of the operator, or a named volume."""
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        if source.startswith("./"):
            shipped = (CONFIG / source).is_file()
            assert shipped or source.removeprefix("./") in CREATED_BY_OPERATOR
            assert mount.endswith(":ro")
        else:
            assert source in COMPOSE_FILE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_container_is_hardened(name: str) -> None:
    """A read-only file system, no capabilities, and a restart after a crash."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert "healthcheck" in service or name == "api"  # whose image has one


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_and_networks_are_declared(name: str) -> None:
    """At the end of the file."""
    service = SERVICES[name]
    assert {*service.get("secrets", [])} <= COMPOSE_FILE["secrets"].keys()
    assert {*service["networks"]} <= COMPOSE_FILE["networks"].keys()
    assert {*service.get("depends_on", {})} <= SERVICES.keys()


def test_only_nginx_has_ports() -> None:
    """The store and the API are only in internal networks."""
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    for name in ("valkey", "api"):
        assert all(
            COMPOSE_FILE["networks"][each].get("internal") for each in SERVICES[name]["networks"]
        )


def test_grace_period_is_longer_than_shutdown() -> None:
    """So that requests in flight can end."""
    assert int(OTPVOICE_SERVICES["api"]["stop_grace_period"].removesuffix("s")) > GRACE_S
    assert int(OTPVOICE_SERVICES["dialer"]["stop_grace_period"].removesuffix("s")) > DIALER_GRACE_S
    (timeout,) = re.findall(r"--stop-timeout (\d+)", DOCKERFILE)
    assert int(timeout) > max(GRACE_S, DIALER_GRACE_S)


def test_image_is_built_from_files_that_its_context_has() -> None:
    """Each source of a COPY exists, and .dockerignore lets it through."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert {"otpvoice", "sandbox", "clients/python", "requirements/run.txt"} <= sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for source in sources:
        assert {f"!{source}", f"!{source.partition('/')[0]}"} & {*ignored}, source
    assert not sources & {*ignored}


def test_image_has_version_of_package() -> None:
    """Package, image label and compose file agree."""
    (version,) = re.findall(
        r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert f"ARG VERSION={version}\n" in DOCKERFILE
    assert {service["image"] for service in OTPVOICE_SERVICES.values()} == {f"otpvoice:{version}"}
