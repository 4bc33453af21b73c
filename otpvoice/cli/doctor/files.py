"""Findings about the files that the settings and secrets come from."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from otpvoice.cli.doctor.findings import Finding, failure, ok
from otpvoice.settings import Settings
from otpvoice.settings.secret_values import secret_values

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def file_findings(environ: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Yield a failure for each file that others can change, or read a secret from."""
    faults = [*_check_configuration(environ, settings), *_check_secret_files(environ)]
    yield from faults or [ok("files", "nobody else can change settings or read secrets")]


def _check_configuration(environ: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    config = environ.get("OTPVOICE_CONFIG")
    if not config:
        return
    path = Path(config)
    mode = path.stat().st_mode
    if mode & _WRITABLE_BY_OTHERS:
        yield _permission_failure("OTPVOICE_CONFIG", path, mode, "can be changed by others", "go-w")
    text = path.read_text("utf-8")
    has_secrets = any(secret in text for secret in secret_values(settings))
    if has_secrets and mode & stat.S_IROTH and _is_accessible(path):
        found = "has secrets and can be read by everybody"
        yield _permission_failure("OTPVOICE_CONFIG", path, mode, found, "o-r")


def _check_secret_files(environ: Mapping[str, str]) -> Iterator[Finding]:
    named = {
        variable: Path(value)
        for variable, value in environ.items()
        if variable.startswith("OTPVOICE_") and variable.endswith("_FILE")
    }
    if directory := environ.get("OTPVOICE_SECRETS_DIR"):
        listed = (path for path in Path(directory).iterdir() if not path.name.startswith("."))
        named |= {f"OTPVOICE_SECRETS_DIR/{path.name}": path for path in listed}
    for name, path in sorted(named.items()):
        mode = path.stat().st_mode
        if mode & _WRITABLE_BY_OTHERS:
            yield _permission_failure(name, path, mode, "can be changed by others", "go-w")
        elif mode & stat.S_IROTH and _is_accessible(path):
            yield _permission_failure(name, path, mode, "can be read by everybody", "o-r")


def _is_accessible(path: Path) -> bool:
    """Return whether every directory above lets everybody through.

    Container secrets are files with mode 0444 in a directory that is closed.
    """
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def _permission_failure(subject: str, path: Path, mode: int, found: str, change: str) -> Finding:
    permissions = stat.filemode(mode)
    return failure(subject, f"{path} ({permissions}) {found}", f"chmod {change} {path}")
