"""``otpvoice limits``: what refuses calls, and freeing, blocking and unblocking a number."""

from typing import Final

import click

from otpvoice.cli.explanation import (
    NumberLimits,
    number_limits,
    render_headline,
    render_limits,
    serialize_limits,
)
from otpvoice.cli.moments import format_time
from otpvoice.cli.operating import (
    OperatorContext,
    json_option,
    open_operator_context,
    print_json,
    yes_option,
)
from otpvoice.cli.overview import render_status, service_status
from otpvoice.cli.overview import serialize_status as overview_document
from otpvoice.cli.telephone import parse_duration
from otpvoice.store.admin import NumberIdentity

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
    with open_operator_context() as operator:
        seen = operator.operations.overview()
    service = service_status(seen, operator.limits, operator.max_live_calls, operator.routes)
    if as_json:
        print_json(overview_document(service))
    else:
        click.echo("\n".join(render_status(service)))


@limits.command("explain")
@_number
@json_option
def explain_number(number: str, *, as_json: bool) -> None:
    """Show which limit holds a number, and until when."""
    with open_operator_context() as operator:
        found = load_number_limits(operator, operator.parse_number(number))
    if as_json:
        print_json(serialize_limits(found))
    else:
        click.echo("\n".join(render_limits(found)))


@limits.command()
@_number
@yes_option
def clear(number: str, *, yes: bool) -> None:
    """Free a number from its limits, and its beginning from theirs.

    A block stays (limits unblock), and so do the limits of clients and of the whole service.
    """
    with open_operator_context() as operator:
        telephone = operator.parse_number(number)
        before = load_number_limits(operator, telephone)
        click.echo(render_headline(before))
        if not yes:
            question = f"Forget what was counted for {telephone.masked} and for its beginning?"
            click.confirm(question, abort=True)
        operator.operations.clear(telephone, operator.name)
        after = load_number_limits(operator, telephone)
    click.echo(_render_freed(before, after))
    click.echo(render_headline(after))


@limits.command()
@_number
@click.option(
    "--for",
    "seconds",
    callback=parse_duration,
    default="30d",
    show_default=True,
    help="How long: seconds, or like 90s, 10m, 24h, 7d; at most 365d.",
)
def block(number: str, seconds: int) -> None:
    """Block a number: no call is placed to it, for any client, until the block ends."""
    with open_operator_context() as operator:
        telephone = operator.parse_number(number)
        called_off = operator.operations.block(telephone, seconds, operator.name)
        after = load_number_limits(operator, telephone)
    until = format_time(after.blocked_until_ms or after.now_ms, after.now_ms)
    click.echo(f"{telephone.masked} is not called until {until}.")
    if called_off:
        click.echo(f"Queued calls that were called off: {called_off}.")


@limits.command()
@_number
def unblock(number: str) -> None:
    """Let a blocked number be called again."""
    with open_operator_context() as operator:
        telephone = operator.parse_number(number)
        before = load_number_limits(operator, telephone)
        operator.operations.unblock(telephone, operator.name)
        after = load_number_limits(operator, telephone)
    was = "is no longer blocked" if before.blocked_until_ms else "was not blocked"
    click.echo(f"{telephone.masked} {was}.")
    click.echo(render_headline(after))


def load_number_limits(operator: OperatorContext, telephone: NumberIdentity) -> NumberLimits:
    """What holds a number now."""
    return number_limits(operator.operations.explain(telephone), telephone, operator.limits)


def _render_freed(before: NumberLimits, after: NumberLimits) -> str:
    """Every limit that holds less than before."""
    freed = [
        f"{was.limit} {was.count} → {now.count}" if was.allowed else was.limit
        for was, now in zip(before.limits, after.limits, strict=True)
        if (was.used, was.until_ms) != (now.used, now.until_ms)
    ]
    if before.gap_until_ms and not after.gap_until_ms:
        freed.append("call_gap")
    return f"Freed: {', '.join(freed)}." if freed else "There was nothing to free."
