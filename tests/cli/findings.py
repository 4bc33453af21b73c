"""Findings of ``otpvoice doctor``, from its output or from its checks."""

import re
import ssl
from collections.abc import Iterable, Iterator, Mapping

from otpvoice.cli.doctor.accounts import account_checks
from otpvoice.cli.doctor.command import run_checks
from otpvoice.cli.doctor.network import provider_findings
from otpvoice.diagnostics import Finding, Level
from otpvoice.http_client import create_tls_context
from otpvoice.settings import load

_LINE = re.compile(r"(ok|advice|warn|FAIL) +(\S+(?: \S+)*)  +(.+)")


def parse_findings(output: str) -> list[tuple[str, str, str]]:
    """Return level, subject and text of each line."""
    lines = [_LINE.fullmatch(line) for line in output.splitlines()]
    return [(line[1], line[2], line[3]) for line in lines if line]


def finding_text(output: str, level: str, subject: str) -> str:
    """Return the text of the finding with this level and subject."""
    (text,) = [text for *found, text in parse_findings(output) if found == [level, subject]]
    return text


def doctor_findings(
    environ: Mapping[str, str], trusted: ssl.SSLContext | None = None
) -> list[Finding]:
    """Run all checks, with other certificate authorities if given."""
    return with_remedies(run_checks(environ, trusted))


def further_account_findings(environ: Mapping[str, str], **fields: str) -> list[Finding]:
    """Check only ``[providers.x]``, which has these fields, over the network."""
    own = {f"OTPVOICE_PROVIDERS_X_{name.upper()}": value for name, value in fields.items()}
    accounts = account_checks(load({**environ, **own}).settings)
    (account,) = [each for each in accounts if each.name == "x"]
    return with_remedies(provider_findings([account], create_tls_context()))


def with_remedies(found: Iterable[Finding]) -> list[Finding]:
    """Return the findings; each that is not ok must have a remedy."""
    findings = [*found]
    assert all(bool(each.todo) == (each.level is not Level.OK) for each in findings), findings
    return findings


def finding_about(found: Iterable[Finding], subject: str) -> Finding:
    """Return the only finding about a subject."""
    (only,) = [each for each in found if each.subject == subject]
    return only


def failed_subjects(found: Iterable[Finding]) -> Iterator[str]:
    """Yield the subjects of failures."""
    return (each.subject for each in found if each.level is Level.FAILURE)
