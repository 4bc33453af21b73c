"""``otpvoice find``: verifications and their calls, by number, id or reference."""

from collections.abc import Iterator, Sequence

import click

from otpvoice.cli.explanation import NumberLimits, headline, named_in_logs, tell_refusals
from otpvoice.cli.explanation import document as limits_document
from otpvoice.cli.found import Found
from otpvoice.cli.limits import look
from otpvoice.cli.operating import Operator, json_option, operating, print_json
from otpvoice.cli.telephone import sought
from otpvoice.core.phone import Number
from otpvoice.core.verification import Verification


@click.command()
@click.argument("what", callback=sought, metavar="+91…|vrf_…|REFERENCE")
@json_option
@click.pass_context
def find(context: click.Context, what: Number | str, *, as_json: bool) -> None:
    """Show verifications with their calls, the newest twenty first.

    A number begins with + and an id with vrf_; anything else is a caller's reference. Numbers are
    masked, codes never shown; the service's log is told that you looked. The status is 1 if
    nothing was found.
    """
    with operating() as operator:
        found = [
            Found(each, operator.masked_number(each)) for each in _verifications(operator, what)
        ]
        number = look(operator, operator.telephone(what)) if isinstance(what, Number) else None
    if as_json:
        document = {
            "verifications": [each.document() for each in found],
            "limits": limits_document(number) if number else None,
        }
        print_json(document)
    else:
        click.echo("\n".join(_tell(found, number)))
    known = found or (number and (number.refusals or number.blocked_until))
    context.exit(0 if known else 1)


def _verifications(operator: Operator, what: Number | str) -> list[Verification]:
    operations, by = operator.operations, operator.name
    if isinstance(what, Number):
        return operations.find_by_number(operator.telephone(what), by)
    if what.startswith("vrf_"):
        return operations.find_by_id(what, by)
    return operations.find_by_reference(operator.reference(what), by)


def _tell(found: Sequence[Found], number: NumberLimits | None) -> Iterator[str]:
    if number:
        yield from (headline(number), named_in_logs(number), *tell_refusals(number), "")
    if not found:
        yield "No verification was found; they are kept for verification.retention after their end."
    for each in found:
        yield from each.tell()
