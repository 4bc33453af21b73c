"""``otpvoice forget``: erase what is known of a number."""

from collections.abc import Iterator

import click

from otpvoice.cli.explanation import NumberLimits
from otpvoice.cli.limits import load_number_limits
from otpvoice.cli.moments import format_time
from otpvoice.cli.operating import open_operator_context, yes_option
from otpvoice.core.limits import DAY_MS, CallLimits


@click.command()
@click.argument("number", metavar="NUMBER")
@yes_option
@click.pass_context
def forget(context: click.Context, number: str, *, yes: bool) -> None:
    """Erase what is known of a number.

    What limits have counted and a block stay until they end by themselves: erasing is no way
    around them. The status is 1 if nothing was known.
    """
    with open_operator_context() as operator:
        telephone = operator.parse_number(number)
        if not yes:
            click.echo(f"This erases what is known of {telephone.masked}, and can not be undone.")
            click.confirm("A pending verification is canceled. Go on?", abort=True)
        before = load_number_limits(operator, telephone)
        erased = operator.operations.forget(telephone, operator.name)
        after = load_number_limits(operator, telephone)
    click.echo("\n".join([*_render_erased(before, erased), *_render_kept(after, operator.limits)]))
    context.exit(0 if erased or before.refusals else 1)


def _render_erased(before: NumberLimits, verifications: int) -> Iterator[str]:
    if not verifications and not before.refusals:
        yield f"Nothing was known of {before.masked_number}."
        return
    yield f"Erased of {before.masked_number}:"
    yield f"  verifications, with their calls   {verifications}"
    yield f"  refusals                          {len(before.refusals)}"


def _render_kept(after: NumberLimits, limits: CallLimits) -> Iterator[str]:
    """What must outlive an erasure, and until when."""
    counted = [f"{each.limit} {each.count}" for each in after.own_limits if each.used]
    if counted:
        last = format_time(after.now_ms + _longest_window_ms(limits), after.now_ms)
        yield f"Stays until {last} at the latest: what was counted ({', '.join(counted)})."
    if after.blocked_until_ms:
        yield f"Stays until {format_time(after.blocked_until_ms, after.now_ms)}: the block."
    if not counted and not after.blocked_until_ms:
        yield "Nothing stays."


def _longest_window_ms(limits: CallLimits) -> int:
    """How long a number's limits look back, in milliseconds."""
    quotas = (
        *(*limits.calls_per_number, *limits.all_calls_per_number),
        *(*limits.wrong_codes_per_number, *limits.unverified_per_prefix),
    )
    return max([DAY_MS, *(quota.window_ms for quota in quotas)])
