"""The words of the tests of ``otpvoice doctor``: what it found."""

import re
import ssl
from collections.abc import Iterable, Iterator, Mapping

from otpvoice.cli.doctor.command import run_checks
from otpvoice.cli.doctor.findings import Finding, Level

_LINE = re.compile(r"(ok|advice|warn|FAIL) +(\S+(?: \S+)*)  +(.+)")


def parse_findings(output: str) -> list[tuple[str, str, str]]:
    """Level, subject, and what is said, of each line."""
    lines = [_LINE.fullmatch(line) for line in output.splitlines()]
    return [(line[1], line[2], line[3]) for line in lines if line]


def finding_text(output: str, level: str, subject: str) -> str:
    """What is said about one subject."""
    (said,) = [
        words
        for found, about, words in parse_findings(output)
        if (found, about) == (level, subject)
    ]
    return said


def doctor_findings(
    environ: Mapping[str, str], trusted: ssl.SSLContext | None = None
) -> list[Finding]:
    """Everything that is found; other authorities may count."""
    return with_remedies(run_checks(environ, trusted))


def with_remedies(found: Iterable[Finding]) -> list[Finding]:
    """The findings; each that is not ok says what to do."""
    told = [*found]
    assert all(bool(each.todo) == (each.level is not Level.OK) for each in told), told
    return told


def finding_about(found: Iterable[Finding], subject: str) -> Finding:
    """The one finding about a subject."""
    (only,) = [each for each in found if each.subject == subject]
    return only


def failed_subjects(found: Iterable[Finding]) -> Iterator[str]:
    """The subjects of failures."""
    return (each.subject for each in found if each.level is Level.FAILURE)
