"""What calls speak: the texts of flows, their language, and the time that they take."""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from otpvoice_sandbox.config import PROMPT, SandboxConfig
from otpvoice_sandbox.parsing import CallRequest, KeyRequest

CHARACTERS_PER_SECOND: Final = 10
"""The pace of an unhurried voice."""
_HANG_UP_SECONDS: Final = 2
_KEY_SECONDS: Final = 8
"""How long a flow waits for a key."""
_PLACEHOLDER: Final = re.compile(r"\{\{(?P<new>\w+)(?:@(?P<filter>\w+))?\}\}|\{(?P<old>\w+)\}")
_FILTERS: Final[Mapping[str | None, Callable[[str], str]]] = {
    None: str,
    "digits": lambda value: " ".join(filter(str.isalnum, value)),
    "play": lambda value: f"(sound {value})",
}
_LANGUAGES: Final = {
    "BENGALI": "bn",
    "DEVANAGARI": "hi",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "TAMIL": "ta",
    "TELUGU": "te",
}


def render(text: str, variables: Mapping[str, str]) -> str:
    """Fill in the variables of a flow's text. Unknown variables and filters stay visible.

    ``{Name}``, ``{{Name}}``, ``{{otp@digits}}`` (digit by digit) and ``{{x@play}}`` are replaced.
    Replacement runs twice: the vendor may expand placeholders inside a value, so a name that
    contains ``{otp}`` has to show its effect here (docs/providers/mobtexting.md, section 1).
    """

    def fill(match: re.Match[str]) -> str:
        value = variables.get(match["new"] or match["old"])
        apply_filter = _FILTERS.get(match["filter"])
        return match[0] if value is None or apply_filter is None else apply_filter(value)

    return _PLACEHOLDER.sub(fill, _PLACEHOLDER.sub(fill, text))


def flow_speech(request: CallRequest, config: SandboxConfig) -> tuple[str, KeyRequest | None]:
    """Return what a call speaks first, and how it asks for a key, if it does."""
    if request.flow_id is None:
        text = f"(sound {request.audio})" if request.text is None else request.text
        return text, request.key_request
    text = render(config.flow_text(request.flow_id), request.variables)
    if request.flow_id not in config.prompts:
        return text, None
    prompt = render(config.prompts[request.flow_id] or PROMPT, request.variables)
    return prompt, KeyRequest(prompt, "", _KEY_SECONDS, text)


def speech_seconds(text: str) -> int:
    """Return the whole seconds that speaking the text and hanging up take."""
    return math.ceil(len(text) / CHARACTERS_PER_SECOND) + _HANG_UP_SECONDS


def detect_language(text: str) -> str:
    """Return the language tag for a text, by the script of its first letter.

    Devanagari counts as Hindi, and every script that is not Indian as English.
    """
    first = next(filter(str.isalpha, text), "a")
    return _LANGUAGES.get(unicodedata.name(first, "LATIN").split()[0], "en")
