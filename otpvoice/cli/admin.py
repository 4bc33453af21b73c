"""``otpvoice limits``, ``find`` and ``forget``: what is stored about numbers, and its limits."""

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
from redis import Redis

from otpvoice.admin import RETENTION_NOTE, AdminService, SearchResult
from otpvoice.cli.operator import (
    json_option,
    load_settings,
    parse_duration,
    print_result,
    report_invalid_number,
    yes_option,
)
from otpvoice.cli.render import (
    format_time,
    number_document,
    render_headline,
    render_limits,
    render_log_id,
    render_refusals,
    render_status,
    render_verification,
    status_document,
    verification_document,
)
from otpvoice.container import Container
from otpvoice.core.errors import StoreUnavailable
from otpvoice.core.limits import CallLimits, limits_of, longest_window_ms
from otpvoice.store.admin import AdminStore, NumberLimits
from otpvoice.store.discovery import address_of, connect
from otpvoice.store.replies import FunctionError

_KEEP_FIRST: Final = (
    "If a law asks you to keep records (in India for at least one year from 2027-05-13, DPDP Rules "
    "2025, rule 8(3)), run otpvoice export --number first."
)
_number: Final = click.argument("number", metavar="NUMBER")


@contextmanager
def open_admin_service() -> Iterator[tuple[AdminService, str]]:
    """Connect to the configured service. Yields it with the operator's name for the log.

    Raises:
        click.ClickException: settings are invalid, or the store cannot serve.
        click.BadParameter: the block parsed an invalid number.
    """
    settings = load_settings()
    parts = Container(settings)
    store = AdminStore(connect(settings.redis.full_url), policy=parts.policy)
    admin = parts.create_admin_service(store)
    try:
        with report_store_errors(store.redis), report_invalid_number("NUMBER"):
            yield admin, _login_name()
    finally:
        store.redis.close()


@contextmanager
def report_store_errors(
    redis: Redis, effect: str = "it is not known whether anything was changed"
) -> Iterator[None]:
    """End the command with one sentence if the store fails inside the block.

    ``effect``: what the failure means for the result.

    Raises:
        click.ClickException: the store cannot serve, or one of its functions failed.
    """
    try:
        yield
    except StoreUnavailable as error:
        reply = f", {error.reply}" if error.reply else ""
        raise click.ClickException(
            f"the store at {address_of(redis)} cannot serve ({error.reason}{reply}); {effect}. "
            "Run otpvoice doctor for the cause."
        ) from error
    except FunctionError as error:
        raise click.ClickException(
            f"the store's function {error.function} failed ({error.code}, line {error.line}); "
            "the change may be incomplete. Please report this as a bug."
        ) from error


def _login_name() -> str:
    """Return the login name, or the user's id where there is no name, as in a container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def limits(context: click.Context, *, as_json: bool) -> None:
    """Show what refuses calls, and why.

    Without a command, show the whole service. Times are in this machine's time zone. A NUMBER may
    contain spaces and dashes, and needs no + if limits.regions names one region.
    """
    if context.invoked_subcommand:
        return
    with open_admin_service() as (admin, _):
        status = admin.status()
    print_result(status_document(status), render_status(status), as_json=as_json)


@limits.command("explain")
@_number
@json_option
def explain_number(number: str, *, as_json: bool) -> None:
    """Show which limit refuses calls to a number, and until when."""
    with open_admin_service() as (admin, _):
        found = admin.store.explain(admin.parse_number(number))
    print_result(number_document(found), render_limits(found), as_json=as_json)


@limits.command()
@_number
@yes_option
def clear(number: str, *, yes: bool) -> None:
    """Clear the limits of a number and of its prefix.

    A block stays (limits unblock), and so do the limits of clients and of the whole service.
    """
    with open_admin_service() as (admin, operator):
        identity = admin.parse_number(number)
        before = admin.store.explain(identity)
        click.echo(render_headline(before))
        if not yes:
            question = f"Delete what was counted for {identity.masked} and for its prefix?"
            click.confirm(question, abort=True)
        admin.store.clear(identity, operator)
        after = admin.store.explain(identity)
    cleared = ", ".join(after.cleared_since(before))
    click.echo(f"Cleared: {cleared}." if cleared else "There was nothing to clear.")
    click.echo(render_headline(after))


@limits.command()
@_number
@click.option(
    "--for",
    "seconds",
    callback=parse_duration,
    default="30d",
    show_default=True,
    help="Duration: seconds, or like 90s, 10m, 24h, 7d; at most 365d.",
)
def block(number: str, seconds: int) -> None:
    """Block all calls to a number, for example at its owner's request."""
    with open_admin_service() as (admin, operator):
        identity = admin.parse_number(number)
        canceled = admin.store.block(identity, seconds, operator)
        after = admin.store.explain(identity)
    until = format_time(after.blocked_until_ms or after.now_ms, after.now_ms)
    click.echo(f"{identity.masked} is blocked until {until}.")
    if canceled:
        click.echo(f"Canceled queued calls: {canceled}.")


@limits.command()
@_number
def unblock(number: str) -> None:
    """Allow calls to a blocked number again."""
    with open_admin_service() as (admin, operator):
        identity = admin.parse_number(number)
        before = admin.store.explain(identity)
        admin.store.block(identity, 0, operator)
        after = admin.store.explain(identity)
    state = "is no longer blocked" if before.blocked_until_ms else "was not blocked"
    click.echo(f"{identity.masked} {state}.")
    click.echo(render_headline(after))


@click.command()
@click.argument("text", metavar="NUMBER|vrf_…|REFERENCE")
@json_option
@click.pass_context
def find(context: click.Context, text: str, *, as_json: bool) -> None:
    """Show verifications with their calls.

    The newest come first, at most twenty of each kind. A text that begins with + is a number, and
    one that begins with vrf_ an id. Other digits are searched as a reference, and as a number if
    limits.regions names one region. Anything else is a reference. Numbers are masked and codes are
    never shown. The service's log records the search. The exit status is 1 if nothing was found.
    """
    with open_admin_service() as (admin, operator):
        result = admin.search(text, operator)
    number = result.limits
    document = {
        "searched": result.searched,
        "verifications": [verification_document(each) for each in result.verifications],
        "limits": number_document(number) if number else None,
    }
    print_result(document, _render_result(result), as_json=as_json)
    is_known = result.verifications or (number and (number.refusals or number.blocked_until_ms))
    context.exit(0 if is_known else 1)


def _render_result(result: SearchResult) -> Iterator[str]:
    if number := result.limits:
        yield from (render_headline(number), render_log_id(number), *render_refusals(number), "")
    if not result.verifications:
        yield f"No verification was found. {RETENTION_NOTE}"
    if not result.verifications or len(result.searched) > 1:
        yield result.description
    for each in result.verifications:
        yield from render_verification(each)


@click.command()
@_number
@yes_option
@click.pass_context
def forget(context: click.Context, number: str, *, yes: bool) -> None:
    """Erase what is stored about a number.

    Rate-limit counters and blocks are kept until they expire, so erasing a number does not lift its
    limits. The exit status is 1 if nothing was stored.

    A law may ask you to keep records first. India's DPDP Rules 2025, rule 8(3), from 2027-05-13:
    personal data and logs of the processing for at least one year. Run otpvoice export --number
    NUMBER before you erase (docs/compliance-india.md).
    """
    with open_admin_service() as (admin, operator):
        identity = admin.parse_number(number)
        if not yes:
            click.echo(f"This erases what is stored about {identity.masked}. It cannot be undone.")
            click.echo(_KEEP_FIRST)
            click.confirm("A pending verification is canceled. Continue?", abort=True)
        before = admin.store.explain(identity)
        erased = admin.store.forget(identity, operator)
        after = admin.store.explain(identity)
    lines = _render_erasure(before, erased, after, admin.store.policy.limits)
    click.echo("\n".join(lines))
    context.exit(0 if erased or before.refusals else 1)


def _render_erasure(
    before: NumberLimits, verifications: int, after: NumberLimits, limits: CallLimits
) -> Iterator[str]:
    """Render what was erased, and what outlives the erasure until when."""
    if not verifications and not before.refusals:
        yield f"Nothing was stored about {before.identity.masked}."
    else:
        yield f"Erased of {before.identity.masked}:"
        yield f"  verifications, with their calls   {verifications}"
        yield f"  refusals                          {len(before.refusals)}"
    counted = [f"{each.limit} {each.count}" for each in after.own_limits if each.used]
    if counted:
        window_ms = longest_window_ms(limits, limits_of("number", "prefix"))
        last = format_time(after.now_ms + window_ms, after.now_ms)
        yield f"Kept until {last} at the latest: counters ({', '.join(counted)})."
    if after.blocked_until_ms:
        yield f"Kept until {format_time(after.blocked_until_ms, after.now_ms)}: the block."
    if not counted and not after.blocked_until_ms:
        yield "Nothing is kept."
