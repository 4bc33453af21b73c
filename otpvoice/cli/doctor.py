"""``otpvoice doctor``: is everything set up, and what to do about what is not."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import click

from otpvoice.cli.secrecy import faults_of_secrets
from otpvoice.core.errors import StoreUnavailable
from otpvoice.providers.probe import Account
from otpvoice.providers.probe import probe as probe_provider
from otpvoice.settings import Settings, SettingsError, load
from otpvoice.settings.rules import advice
from otpvoice.store.address import connect
from otpvoice.store.probe import Server
from otpvoice.store.probe import probe as probe_server
from otpvoice.store.redis import RedisStore

_OLDEST: Final = (7, 0)
"""The version of Redis that our scripts need."""
_CLOCKS_APART: Final = 2.0
"""Seconds; more, and the times in logs and answers contradict each other."""


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


_COLORS: Final = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    subject: str
    advice: str
    """What to do, or what was found good. Shows no secret."""

    def __str__(self) -> str:
        return f"{self.level:4}  {self.subject:24}  {' '.join(self.advice.split())}"


@click.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check settings, secrets, store, dialers and provider.

    Each finding is one line: ok, warn or FAIL, its subject, and what to do. The status is 1 if
    anything is FAIL. No call is placed, nothing is changed, no secret is printed.
    """
    failed = False
    for finding in examine(os.environ):
        click.secho(str(finding), fg=_COLORS[finding.level])
        failed = failed or finding.level is Level.FAIL
    context.exit(int(failed))


def examine(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Everything that is found, as soon as it is; settings that can not be read end it."""
    try:
        loaded = load(environ)
    except SettingsError as error:
        for wrong in error.wrong:
            yield Finding(Level.FAIL, wrong.name, f"{wrong.detail} ({wrong.source})")
        return
    settings = loaded.settings
    yield Finding(Level.OK, "settings", "every field can be used")
    for warning in loaded.warnings:
        if warning not in {*advice(settings)}:  # which is looked at below
            yield Finding(Level.WARN, "settings", warning)
    yield from _service(settings)
    yield from _secrets(settings)
    yield from _store(settings)
    chosen = settings.provider
    yield _provider(chosen.name, probe_provider(chosen.base_url, chosen.token))


def _service(settings: Settings) -> Iterator[Finding]:
    server = settings.server
    if not server.production:
        yield Finding(
            Level.WARN, "server.production", "set it to true where real people are called"
        )
    if not server.public_url.startswith("https://"):
        detail = "is not https: everybody on the way can read codes and keys"
        yield Finding(Level.WARN, "server.public_url", detail)
    if settings.test_numbers:
        detail = "test numbers are set: whoever knows them gets in as them"
        yield Finding(Level.WARN, "test_numbers", detail)
    if not settings.clients:
        detail = "there is none, so that nobody can ask: otpvoice keys new CLIENT"
        yield Finding(Level.FAIL, "clients", detail)


def _secrets(settings: Settings) -> Iterator[Finding]:
    faults = [*faults_of_secrets(settings)]
    for fault in faults:
        yield Finding(Level.FAIL, fault.name, fault.advice)
    if not faults:
        yield Finding(Level.OK, "secrets", "none is a sample's, used twice, or easy to guess")
    if settings.provider.webhook_secret or settings.provider.webhook_path_token:
        yield Finding(Level.OK, "webhook", "callbacks can prove where they come from")
    else:
        detail = "set provider.webhook_secret or .webhook_path_token: every callback is refused"
        yield Finding(Level.FAIL, "webhook", detail)


def _store(settings: Settings) -> Iterator[Finding]:
    client = connect(settings.redis.url)
    try:
        yield from _server(probe_server(client), production=settings.server.production)
        dialers = RedisStore(client, keep=settings.verification.keep * 1000).health().dialers
        yield _dialers(dialers)
    except StoreUnavailable as error:
        yield Finding(Level.FAIL, "redis", f"start it, or correct redis.url: {error}")
    finally:
        client.close()


def _server(server: Server, *, production: bool) -> Iterator[Finding]:
    known = f"{server.name} {server.version}"
    if server.speaks >= _OLDEST:
        yield Finding(Level.OK, "redis", f"{known} answers")
    else:
        yield Finding(Level.FAIL, "redis", f"{known} is too old: 7.0 or newer is needed")
    weight = Level.FAIL if production else Level.WARN
    yield _setting("appendonly", server.appendonly, "yes", weight, "a restart forgets everything")
    lost = "a crash can forget what was answered just before"
    yield _setting("appendfsync", server.appendfsync, "always", Level.WARN, lost)
    lost = "a full memory drops limits, verifications and calls"
    yield _setting("maxmemory-policy", server.maxmemory_policy, "noeviction", Level.FAIL, lost)
    apart = f"{abs(server.clock_ahead):.1f} s apart"
    if abs(server.clock_ahead) > _CLOCKS_APART:
        detail = f"this machine and redis are {apart}: synchronise both (NTP)"
        yield Finding(Level.WARN, "clock", detail)
    else:
        yield Finding(Level.OK, "clock", f"this machine and redis are {apart}")


def _setting(name: str, found: str | None, wanted: str, weight: Level, otherwise: str) -> Finding:
    subject = f"redis {name}"
    if found is None:
        detail = f"the server does not tell; make sure that it is {wanted}: else {otherwise}"
        return Finding(Level.WARN, subject, detail)
    if found == wanted:
        return Finding(Level.OK, subject, found)
    return Finding(weight, subject, f"is {found}, set it to {wanted}: {otherwise}")


def _dialers(count: int) -> Finding:
    if count:
        return Finding(Level.OK, "dialer", f"{count} at work")
    detail = "none was heard of for 30 s, nobody is called: otpvoice dialer, or otpvoice serve"
    return Finding(Level.WARN, "dialer", detail)


def _provider(name: str, account: Account) -> Finding:
    if account.status == 200:
        credits_left = f", {account.credits} credits left" if account.credits else ""
        return Finding(Level.OK, name, f"{account.detail}{credits_left}")
    if account.status is None:
        detail = f"not reachable ({account.detail}): correct provider.base_url, or the network"
    elif account.status in {401, 403}:
        detail = f"refuses the token ({account.detail}): correct provider.token"
    elif account.status == 402:
        detail = f"the account has no credit ({account.detail}): top it up"
    else:
        detail = f"answers strangely ({account.detail}): correct provider.base_url"
    return Finding(Level.FAIL, name, detail)
