"""What an operator's search text stands for: an id, a phone number, a caller's reference."""

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
    """The readings of one search text; what is None is not searched."""

    verification_id: str | None = None
    number: Number | None = None
    reference: str | None = None
    number_error: str = ""
    """Why digits are searched as a reference only."""

    @property
    def searched_fields(self) -> list[str]:
        """The readings by name, in the order in which they are searched."""
        readings = {
            "id": self.verification_id,
            "number": self.number,
            "reference": self.reference,
        }
        return [name for name, reading in readings.items() if reading is not None]

    def describe(self) -> str:
        """Return one sentence that says what was searched, without repeating it."""
        names = [f"an {name}" if name == "id" else f"a {name}" for name in self.searched_fields]
        reason = f", not as a number: {self.number_error}" if self.number_error else "."
        return f"Searched as {' and as '.join(names)}{reason}"


def parse_query(text: str, region: str | None) -> Query:
    """Parse a search text.

    ``vrf_…`` is an id. ``+…`` and ``tel:…`` are numbers. Other digits are searched as a number, if
    they can be one, and as a reference, because callers may use numbers as references. Anything
    else is a reference.

    Args:
        text: what the operator typed.
        region: where a number without calling code belongs; None if unknown.

    Raises:
        InvalidNumber: the text is written as an international number and is none.
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
