"""``otpvoice limits``: show what refuses calls; clear, block and unblock a number."""

from typing import Final

import click

from otpvoice.cli.operator import (
    json_option,
    open_admin_service,
    parse_duration,
    print_json,
    yes_option,
)
from otpvoice.cli.render import (
    format_time,
    number_document,
    render_headline,
    render_limits,
    render_status,
    status_document,
)

_number: Final = click.argument("number", metavar="NUMBER")


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
    if as_json:
        print_json(status_document(status))
    else:
        click.echo("\n".join(render_status(status)))


@limits.command("explain")
@_number
@json_option
def explain_number(number: str, *, as_json: bool) -> None:
    """Show which limit refuses calls to a number, and until when."""
    with open_admin_service() as (admin, _):
        found = admin.explain(admin.parse_number(number))
    if as_json:
        print_json(number_document(found))
    else:
        click.echo("\n".join(render_limits(found)))


@limits.command()
@_number
@yes_option
def clear(number: str, *, yes: bool) -> None:
    """Clear the limits of a number and of its prefix.

    A block stays (limits unblock), and so do the limits of clients and of the whole service.
    """
    with open_admin_service() as (admin, operator):
        identity = admin.parse_number(number)
        before = admin.explain(identity)
        click.echo(render_headline(before))
        if not yes:
            question = f"Delete what was counted for {identity.masked} and for its prefix?"
            click.confirm(question, abort=True)
        admin.store.clear(identity, operator)
        after = admin.explain(identity)
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
        after = admin.explain(identity)
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
        before = admin.explain(identity)
        admin.store.unblock(identity, operator)
        after = admin.explain(identity)
    state = "is no longer blocked" if before.blocked_until_ms else "was not blocked"
    click.echo(f"{identity.masked} {state}.")
    click.echo(render_headline(after))
