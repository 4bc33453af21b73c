"""``otpvoice find``: verifications and their calls, by number, id or reference."""

from collections.abc import Iterator, Sequence
from typing import Final

import click

from otpvoice.cli.explanation import NumberLimits, render_headline, render_log_id, render_refusals
from otpvoice.cli.explanation import serialize_limits as limits_document
from otpvoice.cli.found import FoundVerification
from otpvoice.cli.limits import load_number_limits
from otpvoice.cli.operating import json_option, open_operator_context, print_json
from otpvoice.core.search import Query

_RETENTION_NOTE: Final = (
    "They are kept for verification.retention after their end, "
    "and for an hour if no call was sent and nothing was approved."
)


@click.command()
@click.argument("text", metavar="NUMBER|vrf_…|REFERENCE")
@json_option
@click.pass_context
def find(context: click.Context, text: str, *, as_json: bool) -> None:
    """Show verifications with their calls, the newest first, at most twenty of each kind.

    What begins with + is a number and with vrf_ an id. Other digits are searched as a number, if
    limits.regions names the one region they belong to, and as a caller's reference; anything else
    as a reference. Numbers are masked, codes never shown; the service's log records the search.
    The status is 1 if nothing was found.
    """
    with open_operator_context() as operator:
        query = operator.parse_query(text)
        found = [
            FoundVerification(each, operator.mask_number(each)) for each in operator.find(query)
        ]
        number = (
            load_number_limits(operator, operator.telephone(query.number)) if query.number else None
        )
    if as_json:
        document = {
            "searched": query.searched_fields,
            "verifications": [each.serialize() for each in found],
            "limits": limits_document(number) if number else None,
        }
        print_json(document)
    else:
        click.echo("\n".join(_render(query, found, number)))
    known = found or (number and (number.refusals or number.blocked_until_ms))
    context.exit(0 if known else 1)


def _render(
    query: Query, found: Sequence[FoundVerification], number: NumberLimits | None
) -> Iterator[str]:
    if number:
        yield from (render_headline(number), render_log_id(number), *render_refusals(number), "")
    if not found:
        yield f"No verification was found. {_RETENTION_NOTE}"
    if not found or len(query.searched_fields) > 1:
        yield query.describe()
    for each in found:
        yield from each.render()
