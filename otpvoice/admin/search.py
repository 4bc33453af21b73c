"""Parse an operator's search text: a verification id, a phone number or a reference."""

from dataclasses import dataclass

from otpvoice.core.errors import InvalidNumber
from otpvoice.core.phone import (
    Number,
    is_international,
    is_number_like,
    parse_written_number,
)

ID_PREFIX = "vrf_"


@dataclass(frozen=True, slots=True)
class Query:
    """The meanings of a search text. A field that is None is not searched."""

    verification_id: str | None = None
    number: Number | None = None
    reference: str | None = None
    number_error: str = ""
    """Why digits are searched as a reference only."""

    @property
    def searched_fields(self) -> list[str]:
        """Names of the meanings, in the order of the search."""
        meanings = {
            "id": self.verification_id,
            "number": self.number,
            "reference": self.reference,
        }
        return [name for name, meaning in meanings.items() if meaning is not None]

    def describe(self) -> str:
        """Return a sentence about what was searched. It does not repeat the text."""
        names = [f"an {name}" if name == "id" else f"a {name}" for name in self.searched_fields]
        reason = f", not as a number: {self.number_error}" if self.number_error else "."
        return f"Searched as {' and as '.join(names)}{reason}"


def parse_query(text: str, region: str | None) -> Query:
    """Parse a search text.

    ``vrf_…`` is an id. ``+…`` and ``tel:…`` are numbers. Other digits are searched as a number, if
    they can be one, and as a reference, because clients may use numbers as references. Anything
    else is a reference.

    Args:
        text: the operator's input.
        region: the region of numbers without calling code; None if unknown.

    Raises:
        InvalidNumber: the text has the form of an international number that does not exist.
    """
    if text.startswith(ID_PREFIX):
        return Query(verification_id=text)
    if is_international(text):
        return Query(number=parse_written_number(text, region))
    if not is_number_like(text):
        return Query(reference=text)
    try:
        return Query(number=parse_written_number(text, region), reference=text)
    except InvalidNumber as error:
        return Query(reference=text, number_error=str(error))
