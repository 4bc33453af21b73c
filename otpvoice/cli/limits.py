"""``otpvoice limits``: what refuses calls, and freeing, blocking and unblocking a number."""

from typing import Final

import click

from otpvoice.cli.explanation import (
    NumberLimits,
    document,
    explain,
    headline,
    number_limits,
)
from otpvoice.cli.moments import when
from otpvoice.cli.operating import Operator, json_option, operating, print_json, yes_option
from otpvoice.cli.overview import document as overview_document
from otpvoice.cli.overview import service_limits, tell
from otpvoice.cli.telephone import duration
from otpvoice.store.admin import Telephone

_number: Final = click.argument("number", metavar="NUMBER")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def limits(context: click.Context, *, as_json: bool) -> None:
    """Show what refuses calls, and why.

    Without a command: the whole service. Times are this machine's. A NUMBER may be written with
    spaces and dashes, and without + if limits.regions names one region.
    """
    if context.invoked_subcommand:
        return
    with operating() as operator:
        seen = operator.operations.overview()
    service = service_limits(seen, operator.limits, operator.live_calls, operator.routes)
    if as_json:
        print_json(overview_document(service))
    else:
        click.echo("\n".join(tell(service)))


@limits.command("explain")
@_number
@json_option
def explain_number(number: str, *, as_json: bool) -> None:
    """Show which limit holds a number, and until when."""
    with operating() as operator:
        found = look(operator, operator.number(number))
    if as_json:
        print_json(document(found))
    else:
        click.echo("\n".join(explain(found)))


@limits.command()
@_number
@yes_option
def clear(number: str, *, yes: bool) -> None:
    """Free a number from its limits, and its beginning from theirs.

    A block stays (limits unblock), and so do the limits of clients and of the whole service.
    """
    with operating() as operator:
        telephone = operator.number(number)
        before = look(operator, telephone)
        click.echo(headline(before))
        if not yes:
            question = f"Forget what was counted for {telephone.masked} and for its beginning?"
            click.confirm(question, abort=True)
        operator.operations.clear(telephone, operator.name)
        after = look(operator, telephone)
    click.echo(_freed(before, after))
    click.echo(headline(after))


@limits.command()
@_number
@click.option(
    "--for",
    "seconds",
    callback=duration,
    default="30d",
    show_default=True,
    help="How long: seconds, or like 90s, 10m, 24h, 7d; at most 365d.",
)
def block(number: str, seconds: int) -> None:
    """Block a number: no call is placed to it, for any client, until the block ends."""
    with operating() as operator:
        telephone = operator.number(number)
        called_off = operator.operations.block(telephone, seconds, operator.name)
        after = look(operator, telephone)
    until = when(after.blocked_until or after.now, after.now)
    click.echo(f"{telephone.masked} is not called until {until}.")
    if called_off:
        click.echo(f"Queued calls that were called off: {called_off}.")


@limits.command()
@_number
def unblock(number: str) -> None:
    """Let a blocked number be called again."""
    with operating() as operator:
        telephone = operator.number(number)
        before = look(operator, telephone)
        operator.operations.unblock(telephone, operator.name)
        after = look(operator, telephone)
    was = "is no longer blocked" if before.blocked_until else "was not blocked"
    click.echo(f"{telephone.masked} {was}.")
    click.echo(headline(after))


def look(operator: Operator, telephone: Telephone) -> NumberLimits:
    """What holds a number now."""
    return number_limits(operator.operations.explain(telephone), telephone, operator.limits)


def _freed(before: NumberLimits, after: NumberLimits) -> str:
    """Every limit that holds less than before."""
    freed = [
        f"{was.limit} {was.count} → {now.count}" if was.allowed else was.limit
        for was, now in zip(before.usages, after.usages, strict=True)
        if (was.used, was.until) != (now.used, now.until)
    ]
    if before.gap_until and not after.gap_until:
        freed.append("call_gap")
    return f"Freed: {', '.join(freed)}." if freed else "There was nothing to free."
