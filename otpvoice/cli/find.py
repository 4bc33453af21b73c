"""``otpvoice find``: verifications and their calls, by number, id or reference."""

from collections.abc import Iterator, Sequence
from typing import Final

import click

from otpvoice.cli.explanation import NumberLimits, headline, named_in_logs, tell_refusals
from otpvoice.cli.explanation import document as limits_document
from otpvoice.cli.found import Found
from otpvoice.cli.limits import look
from otpvoice.cli.operating import json_option, operating, print_json
from otpvoice.core.search import Query

_KEPT: Final = (
    "They are kept for verification.retention after their end, "
    "and for an hour if no call was sent and nothing was approved."
)


@click.command()
@click.argument("what", metavar="NUMBER|vrf_…|REFERENCE")
@json_option
@click.pass_context
def find(context: click.Context, what: str, *, as_json: bool) -> None:
    """Show verifications with their calls, the newest first, at most twenty of each kind.

    What begins with + is a number and with vrf_ an id. Other digits are searched as a number, if
    limits.regions names the one region they belong to, and as a caller's reference; anything else
    as a reference. Numbers are masked, codes never shown; the service's log records the search.
    The status is 1 if nothing was found.
    """
    with operating() as operator:
        query = operator.query(what)
        found = [Found(each, operator.masked_number(each)) for each in operator.find(query)]
        number = look(operator, operator.telephone(query.number)) if query.number else None
    if as_json:
        document = {
            "searched": query.searched,
            "verifications": [each.document() for each in found],
            "limits": limits_document(number) if number else None,
        }
        print_json(document)
    else:
        click.echo("\n".join(_lines(query, found, number)))
    known = found or (number and (number.refusals or number.blocked_until))
    context.exit(0 if known else 1)


def _lines(query: Query, found: Sequence[Found], number: NumberLimits | None) -> Iterator[str]:
    if number:
        yield from (headline(number), named_in_logs(number), *tell_refusals(number), "")
    if not found:
        yield f"No verification was found. {_KEPT}"
    if not found or len(query.searched) > 1:
        yield query.describe()
    for each in found:
        yield from each.tell()
