"""What a flow says: its text with the variables filled in, and the time that takes."""

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

_PLACEHOLDER: Final = re.compile(r"\{\{(?P<new>\w+)(?:@(?P<filter>\w+))?\}\}|\{(?P<old>\w+)\}")

CHARACTERS_PER_SECOND: Final = 10
"""Of an unhurried voice."""
_HANG_UP_SECONDS: Final = 2


def _spell_digits(value: str) -> str:
    return " ".join(character for character in value if character.isalnum())


def _play_sound(value: str) -> str:
    return f"(sound {value})"


_FILTERS: Final[Mapping[str | None, Callable[[str], str]]] = {
    None: str,
    "digits": _spell_digits,
    "play": _play_sound,
}


def render(text: str, variables: Mapping[str, str]) -> str:
    """The text as it is spoken; what nobody filled in stays as it is, to be seen.

    ``{Name}``, ``{{Name}}``, ``{{otp@digits}}`` (digit by digit), ``{{x@play}}``. Filled in twice:
    nothing says that this vendor does not expand what a value brings in, and a caller's name with
    ``{otp}`` in it must be seen to do harm (docs/provider.md, section 1).
    """
    fill = partial(_fill, variables)
    return _PLACEHOLDER.sub(fill, _PLACEHOLDER.sub(fill, text))


def _fill(variables: Mapping[str, str], match: re.Match[str]) -> str:
    value = variables.get(match["new"] or match["old"])
    write = _FILTERS.get(match["filter"])
    return match[0] if value is None or write is None else write(value)


def speech_seconds(text: str) -> int:
    """Whole seconds until an unhurried voice is through and the person has hung up."""
    return math.ceil(len(text) / CHARACTERS_PER_SECOND) + _HANG_UP_SECONDS


def spoken_within(text: str, seconds: int) -> str:
    """As much of the text as is spoken in so many seconds."""
    return text[: seconds * CHARACTERS_PER_SECOND]
