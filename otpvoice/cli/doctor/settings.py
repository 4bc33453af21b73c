"""Checks of the settings: service, files, store machine, secrets, numbers and flows.

They send nothing over the network.
"""

import base64
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import phonenumbers
from msgspec import structs
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from otpvoice.core.errors import RequestRefused
from otpvoice.core.phone import NumberRules, parse_allowed_number
from otpvoice.core.speech import Flow
from otpvoice.diagnostics import LOOPBACK, Finding, Level, advice, failure, ok, warning
from otpvoice.providers.checks import Checks
from otpvoice.sections import TextProviderSection
from otpvoice.setting_types import WHSEC_PREFIX
from otpvoice.settings import Settings
from otpvoice.settings.credentials import credential_fields, secret_values
from otpvoice.settings.validation import (
    MIN_PRODUCTION_CODE_LENGTH,
    cross_field_errors,
    is_sample_secret,
)

_RECOMMENDED_CODE_LENGTH: Final = 6
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_OVERCOMMIT: Final = Path("/proc/sys/vm/overcommit_memory")
"""``0``: heuristic, ``1``: always, ``2``: never (Linux, proc(5))."""
_MIN_SECRET_CHARACTERS: Final = 20
"""Shorter secrets have less than 120 bits."""
_MIN_DISTINCT_BYTES: Final = 16
"""Random keys have more: about 30 distinct bytes of 32, and 23 of 24."""


def service_findings(settings: Settings, accounts: Iterable[Checks]) -> Iterator[Finding]:
    """Yield whether the service is ready for production, and for whom."""
    if settings.server.production:
        yield ok("server.production", "true, and every setting is fit for it")
    else:
        todo = "set it to true before the service calls real users"
        yield warning("server.production", "is false: samples and plain http are allowed", todo)
        yield from _production_findings(settings, accounts)
    yield from _guessing_findings(settings)
    if settings.test_numbers:
        found = "test numbers are set: anyone who knows one can sign in as it"
        yield warning("test_numbers", found, "remove those that are no longer needed")
    if not settings.clients:
        yield failure(
            "clients", "there is none, so every request is refused", "otpvoice keys new CLIENT"
        )


def _guessing_findings(settings: Settings) -> Iterator[Finding]:
    """Yield what production accepts and NIST SP 800-63B-4 or experience advises against."""
    digits, limits = settings.verification.code_length, settings.limits
    if MIN_PRODUCTION_CODE_LENGTH <= digits < _RECOMMENDED_CODE_LENGTH:
        todo = f"set it to {_RECOMMENDED_CODE_LENGTH} (NIST SP 800-63B-4, section 3.1.3)"
        yield warning("verification.code_length", f"is {digits}", todo)
    for name in ("conversion_breaker", "wrong_code_breaker"):
        is_other_on = limits.conversion_breaker or limits.wrong_code_breaker
        if is_other_on and getattr(limits, name) is None:
            yield warning(f"limits.{name}", "is off", "remove the line to restore the default")


def _production_findings(settings: Settings, accounts: Iterable[Checks]) -> Iterator[Finding]:
    """Yield what production would refuse, without what :func:`secret_findings` reports."""
    found = [*secret_findings(settings, accounts)]
    reported = {each.subject for each in found if each.level is Level.FAILURE}
    server = structs.replace(settings.server, production=True)
    for name, detail in cross_field_errors(structs.replace(settings, server=server)):
        if name not in reported:
            remedy, _, why = detail.partition(": ")
            reason = f" ({why})" if why else ""
            yield warning(name, f"is not fit for production{reason}", remedy)


def file_findings(environ: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Yield a failure for each file that others can change, or read a secret from."""
    faults: list[Finding] = []
    with_secrets: list[Path] = []
    if config := environ.get("OTPVOICE_CONFIG"):
        path, readable = Path(config), ""
        text = path.read_text("utf-8")
        if any(secret in text for secret in secret_values(settings)):
            readable = "has secrets and can be read by everyone"
            with_secrets.append(path)
        faults += _permission_failures("OTPVOICE_CONFIG", path, readable)
    files = {
        variable: Path(value)
        for variable, value in environ.items()
        if variable.startswith("OTPVOICE_") and variable.endswith("_FILE")
    }
    if directory := environ.get("OTPVOICE_SECRETS_DIR"):
        listed = (path for path in Path(directory).iterdir() if not path.name.startswith("."))
        files |= {f"OTPVOICE_SECRETS_DIR/{path.name}": path for path in listed}
    for name, path in sorted(files.items()):
        faults += islice(_permission_failures(name, path, "can be read by everyone"), 1)
    if faults:
        yield from faults
    elif any(_is_open_mount(path) for path in (*with_secrets, *files.values())):
        found = "secrets are mounted into this container; their directory cannot be seen from here"
        yield advice("files", found, "let only root enter that directory on the machine")
    else:
        yield ok("files", "no other user can change settings or read secrets")


def _is_open_mount(path: Path) -> bool:
    """Whether everyone can read a file, and a container engine mounted it here by itself.

    Its mode is that on the machine, where a closed directory protects it. The directory in the
    container is open, and another one.
    """
    return bool(path.stat().st_mode & stat.S_IROTH) and os.path.ismount(path.resolve())


def _permission_failures(subject: str, path: Path, readable: str) -> Iterator[Finding]:
    """Yield what others can do to a file. ``readable`` is empty if everyone may read it.

    Container secrets are files with mode 0444 in a directory that is closed to others.
    """
    mode = path.stat().st_mode
    is_accessible = all(each.stat().st_mode & stat.S_IXOTH for each in path.resolve().parents)
    is_readable = mode & stat.S_IROTH and is_accessible and not _is_open_mount(path)
    for is_open, found, change in (
        (mode & _WRITABLE_BY_OTHERS, "can be changed by others", "go-w"),
        (readable and is_readable, readable, "o-r"),
    ):
        if is_open:
            text = f"{path} ({stat.filemode(mode)}) {found}"
            yield failure(subject, text, f"chmod {change} {path}")


def machine_findings(redis_url: str, overcommit: Path = _OVERCOMMIT) -> Iterator[Finding]:
    """Yield the kernel settings of a store on this machine."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix" and parts.hostname not in LOOPBACK:
        return
    try:
        value = overcommit.read_text("ascii").strip()
    except OSError:
        return
    subject = "vm.overcommit_memory"
    if value == "1":
        yield ok(subject, "1: the store can fork while its memory is large")
    else:
        found = f"is {value}: a rewrite of the append-only file can fail for lack of memory"
        todo = "sysctl vm.overcommit_memory=1, and a line in /etc/sysctl.d/ for the next boot"
        yield warning(subject, found, todo)


def secret_findings(settings: Settings, accounts: Iterable[Checks]) -> Iterator[Finding]:
    """Yield weak secrets, and whether callbacks can authenticate."""
    weak = [*weak_secrets(settings)]
    yield from weak
    if not weak:
        yield ok("secrets", "none is a sample, used twice or easy to guess")
    for account in accounts:
        yield from account.secret_findings()


def weak_secrets(settings: Settings) -> Iterator[Finding]:
    """Yield a failure for each secret that is a sample's, used twice, or easy to guess."""
    names: dict[str | bytes, str] = {}
    for name, kind, secret in credential_fields(settings):
        if name.startswith("redis.") or kind.is_url:
            continue
        key = secret
        if isinstance(secret, str) and secret.startswith(WHSEC_PREFIX):
            key = base64.b64decode(secret.removeprefix(WHSEC_PREFIX))
        twin = names.setdefault(key, name)
        is_given = name.startswith("provider") and name.endswith(".token")
        if is_sample_secret(secret):
            yield failure(name, "is the published sample's", _secret_remedy(name))
        elif twin != name:
            yield failure(name, f"is the same as {twin}", _secret_remedy(name))
        elif not kind.is_hash and not is_given and _is_weak(key):
            yield failure(name, "is easy to guess", _secret_remedy(name))


def _is_weak(secret: str | bytes) -> bool:
    if isinstance(secret, str):
        return len(secret) < _MIN_SECRET_CHARACTERS
    is_text = all(0x20 <= byte < 0x7F for byte in secret)
    return is_text or len({*secret}) < _MIN_DISTINCT_BYTES


def _secret_remedy(name: str) -> str:
    section, _, field = name.partition("[")[0].rpartition(".")
    remedies = {
        "admin_key_sha256": "replace it: otpvoice keys admin",
        "token": "set the one that the provider gave you",
        "key_sha256": f"otpvoice keys new {section.removeprefix('clients.')}",
        "event_secret": (
            'replace it, here and at the receiver: echo "whsec_$(openssl rand -base64 32)"'
        ),
        "hook_secret": "create another one in the identity server, and set it here",
    }
    return remedies.get(field, "replace it: otpvoice keys new CLIENT --secrets prints new secrets")


def number_findings(settings: Settings) -> Iterator[Finding]:
    """Try the number rules, and those of each client, with a sample number of each region."""
    limits = settings.limits
    yield from _check_regions("limits.regions", limits.regions, settings)
    for name, client in settings.clients.items():
        if client.regions is not None:
            yield from _check_regions(f"clients.{name}.regions", client.regions, settings)
    regions = {*limits.regions, *(r for c in settings.clients.values() for r in c.regions or ())}
    for i, prefix in enumerate(limits.deny_prefixes):
        yield _check_prefix(f"limits.deny_prefixes[{i}]", prefix, regions)


def _check_regions(name: str, regions: Sequence[str], settings: Settings) -> Iterator[Finding]:
    if not regions:
        yield failure(name, "is empty, so every number is refused", "name the regions to call")
    for region in regions:
        types = settings.limits.number_types
        allowed = [each for each in types if _is_allowed(region, each, settings)]
        if allowed:
            yield ok(name, f"{region}: {', '.join(allowed)} numbers are allowed")
        else:
            found = f"{region}: no known number of these types is allowed: {', '.join(types)}"
            todo = "see limits.number_types and limits.deny_prefixes, or remove the region"
            yield warning(name, found, todo)


def _is_allowed(region: str, number_type: str, settings: Settings) -> bool:
    """Whether the region's sample number of this type passes the rules."""
    sample = phonenumbers.example_number_for_type(
        region, getattr(PhoneNumberType, number_type.upper())
    )
    if sample is None:
        return False
    rules = NumberRules([region], [number_type], settings.limits.deny_prefixes)
    try:
        parse_allowed_number(phonenumbers.format_number(sample, PhoneNumberFormat.E164), rules)
    except RequestRefused:
        return False
    return True


def _check_prefix(name: str, prefix: str, regions: set[str]) -> Finding:
    """Return the finding for a prefix; one that denies no number or a whole region is a mistake."""
    codes = {region: f"+{phonenumbers.country_code_for_region(region)}" for region in regions}
    denied = sorted(region for region, code in codes.items() if code.startswith(prefix))
    if denied:
        found = f"{prefix} denies every number of {', '.join(denied)}"
        return warning(name, found, "make it longer, or remove the region")
    if any(prefix.startswith(code) for code in codes.values()):
        return ok(name, f"{prefix} is denied")
    found = f"{prefix} has no effect: it is in none of the regions"
    return advice(name, found, "correct or remove it")


def flow_findings(settings: Settings, accounts: Iterable[Checks]) -> Iterator[Finding]:
    """Yield whether calls speak the code, in a way that can be understood, and only once."""
    for account in accounts:
        yield from account.speech_findings()
    # Texts of other providers are checked when they are read, and spoken three times.
    owners: dict[str, Mapping[str, Flow] | None] = {
        table: section.spoken_flows()
        for table, section in settings.provider_tables().items()
        if not isinstance(section, TextProviderSection)
    }
    owners |= {f"clients.{name}": client.flows for name, client in settings.clients.items()}
    for owner, flows in owners.items():
        for tag, flow in (flows or {}).items():
            name = f"{owner}.flows.{tag}"
            if flow.gate and not flow.text:
                continue  # the key says whether the code was spoken
            if not flow.text:
                found = "its text is not set, so calls cannot report whether the code was spoken"
                yield advice(name, found, 'set it to { id = "…", text = "…" }')
            elif "otp" not in flow.text:
                yield failure(name, "its text speaks no {otp}", "correct the flow, or its text")
            elif flow.text.count("otp}") < 2:
                yield advice(name, "its text speaks {otp} once", "speak it twice, for writing down")
