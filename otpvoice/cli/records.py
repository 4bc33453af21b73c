"""``otpvoice find`` and ``otpvoice forget``: show and erase what is stored about a number."""

from collections.abc import Iterator

import click

from otpvoice.admin.limits import NumberLimits
from otpvoice.admin.service import RETENTION_NOTE, SearchResult
from otpvoice.cli.operator import json_option, open_admin_service, print_json, yes_option
from otpvoice.cli.render import (
    format_time,
    number_document,
    render_headline,
    render_log_id,
    render_refusals,
    render_verification,
    verification_document,
)
from otpvoice.core.limits import CallLimits, limits_of, longest_window_ms


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
    if as_json:
        document = {
            "searched": result.searched,
            "verifications": [verification_document(each) for each in result.verifications],
            "limits": number_document(number) if number else None,
        }
        print_json(document)
    else:
        click.echo("\n".join(_render_result(result)))
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
@click.argument("number", metavar="NUMBER")
@yes_option
@click.pass_context
def forget(context: click.Context, number: str, *, yes: bool) -> None:
    """Erase what is stored about a number.

    Rate-limit counters and blocks are kept until they expire, so erasing a number does not lift its
    limits. The exit status is 1 if nothing was stored.
    """
    with open_admin_service() as (admin, operator):
        identity = admin.parse_number(number)
        if not yes:
            click.echo(f"This erases what is stored about {identity.masked}. It cannot be undone.")
            click.confirm("A pending verification is canceled. Continue?", abort=True)
        before = admin.explain(identity)
        erased = admin.store.forget(identity, operator)
        after = admin.explain(identity)
    limits = admin.limits
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
        window_ms = longest_window_ms(limits, limits_of("number", "prefix"))
        last = format_time(after.now_ms + window_ms, after.now_ms)
        yield f"Kept until {last} at the latest: counters ({', '.join(counted)})."
    if after.blocked_until_ms:
        yield f"Kept until {format_time(after.blocked_until_ms, after.now_ms)}: the block."
    if not counted and not after.blocked_until_ms:
        yield "Nothing is kept."
