"""``otpvoice forget``: erase what is stored about a number."""

from collections.abc import Iterator

import click

from otpvoice.admin.limits import NumberLimits
from otpvoice.cli.operator import open_operator_context, yes_option
from otpvoice.cli.render import format_time
from otpvoice.core.limits import DAY_MS, CallLimits


@click.command()
@click.argument("number", metavar="NUMBER")
@yes_option
@click.pass_context
def forget(context: click.Context, number: str, *, yes: bool) -> None:
    """Erase what is stored about a number.

    Rate-limit counters and blocks are kept until they expire, so erasing a number does not lift its
    limits. The exit status is 1 if nothing was stored.
    """
    with open_operator_context() as operator:
        identity = operator.parse_number(number)
        if not yes:
            click.echo(f"This erases what is stored about {identity.masked}. It cannot be undone.")
            click.confirm("A pending verification is canceled. Continue?", abort=True)
        before = operator.admin.explain(identity)
        erased = operator.admin.store.forget(identity, operator.name)
        after = operator.admin.explain(identity)
    limits = operator.admin.limits
    click.echo("\n".join([*_render_erased(before, erased), *_render_kept(after, limits)]))
    context.exit(0 if erased or before.refusals else 1)


def _render_erased(before: NumberLimits, verifications: int) -> Iterator[str]:
    masked = before.identity.masked
    if not verifications and not before.refusals:
        yield f"Nothing was stored about {masked}."
        return
    yield f"Erased of {masked}:"
    yield f"  verifications, with their calls   {verifications}"
    yield f"  refusals                          {len(before.refusals)}"


def _render_kept(after: NumberLimits, limits: CallLimits) -> Iterator[str]:
    """Render what outlives an erasure, and until when."""
    counted = [f"{each.limit} {each.count}" for each in after.own_limits if each.used]
    if counted:
        last = format_time(after.now_ms + _longest_window_ms(limits), after.now_ms)
        yield f"Kept until {last} at the latest: counters ({', '.join(counted)})."
    if after.blocked_until_ms:
        yield f"Kept until {format_time(after.blocked_until_ms, after.now_ms)}: the block."
    if not counted and not after.blocked_until_ms:
        yield "Nothing is kept."


def _longest_window_ms(limits: CallLimits) -> int:
    quotas = (
        *(*limits.calls_per_number, *limits.all_calls_per_number),
        *(*limits.wrong_codes_per_number, *limits.unverified_per_prefix),
    )
    return max([DAY_MS, *(quota.window_ms for quota in quotas)])
