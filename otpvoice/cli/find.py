"""``otpvoice find``: verifications and their calls, by number, id or reference."""

from collections.abc import Iterator

import click

from otpvoice.admin.service import RETENTION_NOTE, SearchResult
from otpvoice.cli.documents import number_document, verification_document
from otpvoice.cli.operator import (
    json_option,
    open_operator_context,
    print_json,
    report_invalid_number,
)
from otpvoice.cli.render import (
    render_headline,
    render_log_id,
    render_refusals,
    render_verification,
)


@click.command()
@click.argument("text", metavar="NUMBER|vrf_…|REFERENCE")
@json_option
@click.pass_context
def find(context: click.Context, text: str, *, as_json: bool) -> None:
    """Show verifications with their calls, the newest first, at most twenty of each kind.

    A text that begins with + is a number, and one that begins with vrf_ an id. Other digits are
    searched as a reference, and as a number if limits.regions names one region. Anything else is a
    reference. Numbers are masked and codes are never shown. The service's log records the search.
    The exit status is 1 if nothing was found.
    """
    with open_operator_context() as operator, report_invalid_number("WHAT"):
        result = operator.admin.search(text, operator.name)
    number = result.limits
    if as_json:
        document = {
            "searched": result.query.searched_fields,
            "verifications": [verification_document(each) for each in result.verifications],
            "limits": number_document(number) if number else None,
        }
        print_json(document)
    else:
        click.echo("\n".join(_render(result)))
    is_known = result.verifications or (number and (number.refusals or number.blocked_until_ms))
    context.exit(0 if is_known else 1)


def _render(result: SearchResult) -> Iterator[str]:
    if number := result.limits:
        yield from (render_headline(number), render_log_id(number), *render_refusals(number), "")
    if not result.verifications:
        yield f"No verification was found. {RETENTION_NOTE}"
    if not result.verifications or len(result.query.searched_fields) > 1:
        yield result.query.describe()
    for each in result.verifications:
        yield from render_verification(each)
