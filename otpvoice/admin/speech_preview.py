"""What a call would say, and what makes it hard to understand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otpvoice.core.speech import CodeFormat, format_code
from otpvoice.core.texts import BRAND, CODE, NAME, fill_text, seconds_until_code
from otpvoice.core.transactions import AMOUNT, PAYEE
from otpvoice.providers.base import Speech, SpeechPlan

_MIN_LEAD_S: Final = 2
"""People who are still lifting the phone to the ear miss a code that comes sooner."""
_MIN_REPETITIONS: Final = 2
_PLACEHOLDER: Final = re.compile(r"\{+\s*(?P<variable>\w+)\s*(?:@\s*(?P<filter>\w+)\s*)?\}+")
_PAUSE: Final = re.compile(r"\{+\s*pause\s+(?:[1-9]|10)\s*\}+")
_SENTENCE_END: Final = re.compile(r"[.!?](?=\s|$)|[।॥۔]")
_LINK: Final = re.compile(r"(?:https?://|\bwww\.)\S+", re.IGNORECASE)
_DIGITS: Final = re.compile(r"\d{2,}|\d(?:[ ,.-]\d)+")
"""Several digits in a row, unlike the one of "step 1"."""
_DOTTED_CODE: Final = re.compile(r"\.{2,}\s*\{+\s*otp|\{+\s*otp\b[^}]*\}+\s*\.{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechPreview:
    """A flow or a text with the values that fill it in, as one provider speaks it."""

    speech: Speech
    """With an example code, digits only."""
    plan: SpeechPlan
    code_format: CodeFormat
    """How the provider receives or speaks the code."""
    flow_id: str
    """The provider's id of the flow; empty of a text."""
    table: str
    """The section of the provider's settings."""
    setting: str
    """The table of the flow or text, with its owner."""
    client: str
    min_life_s: int
    """The shortest time that a code has left when it is dialed."""
    max_ring_s: int
    max_duration_s: int
    """The provider ends the call after this time."""
    duration_setting: str
    """The field of the provider's section that sets ``max_duration_s``."""

    @property
    def text(self) -> str:
        """The text before it is filled in."""
        return self.speech.text

    @property
    def spoken_text(self) -> str:
        """The text as it is spoken once. Unknown placeholders and pauses stay visible."""
        return self._fill_in(self.speech.text)

    @property
    def spoken_prompt(self) -> str:
        """The prompt of a gated call as it is spoken; empty of any other call."""
        return self._fill_in(self.speech.prompt)

    @property
    def duration_s(self) -> int | None:
        """The estimated duration of all repetitions."""
        return self.plan.duration_s

    @property
    def code_spoken_after_s(self) -> int | None:
        """The estimated time until the code was spoken once. None if the text lacks the code."""
        return self.plan.code_after_s if self._codes() else None

    def warnings(self) -> Iterator[str]:
        """Yield what makes the text hard to understand, each with its remedy."""
        yield from self._opening_warnings()
        yield from self._code_warnings()
        yield from self._placeholder_warnings()
        yield from self._duration_warnings()
        yield from self._wording_warnings()

    def _fill_in(self, text: str) -> str:
        code = format_code(self.speech.code, self.code_format)
        spelled = format_code(self.speech.code, CodeFormat.SPACED)
        values = {**self.speech.values, CODE: code}

        def fill(found: re.Match[str]) -> str:
            is_spelled = found["variable"] == CODE and found["filter"]
            return spelled if is_spelled else fill_text(found[0], values)

        return _PLACEHOLDER.sub(fill, text)

    def _opening_warnings(self) -> Iterator[str]:
        """Yield whether people learn at once who calls."""
        brand = self.speech.variables.get(BRAND, "")
        setting = f"clients.{self.client}.spoken_brand"
        if not brand:
            yield (
                "Nobody is named who calls, and people hang up on strangers. Set "
                f"{setting}, and begin the text with {{brand}}."
            )
            return
        opening = self.spoken_prompt or self.spoken_text
        before, is_named, _ = opening.casefold().partition(brand.casefold())
        if not is_named or _SENTENCE_END.search(before):
            yield (
                f"The first sentence does not say who calls. Begin the text with {{brand}}, which "
                f"is spoken as {brand}."
            )

    def _code_warnings(self) -> Iterator[str]:
        codes = self._codes()
        if not codes:
            yield "The code is not spoken. Write {otp} where it should be spoken."
            return
        if len(codes) * self.plan.repetitions < _MIN_REPETITIONS:
            yield "The code is spoken only once. Repeat {otp}, because people often miss it."
        is_plain = self.code_format is CodeFormat.PLAIN
        if is_plain and any(found["filter"] != "digits" for found in codes):
            yield (
                "The code is read as one number, not digit by digit. Write {{otp@digits}}, or set "
                f'{self.table}.otp_format to "comma".'
            )
        lead_s = seconds_until_code(self.text, {**self.speech.values, CODE: ""})
        if lead_s < _MIN_LEAD_S and not self.speech.prompt:
            yield (
                "The code comes at once. Say first who calls and why, so that people can listen "
                "before it comes."
            )

    def _placeholder_warnings(self) -> Iterator[str]:
        words = _PAUSE.sub(" ", f"{self.speech.prompt} {self.text}")
        variables = {found["variable"] for found in _PLACEHOLDER.finditer(words)}
        if NAME not in variables:
            yield "The name is not spoken. Write {Name}, so that people know the call is for them."
        for variable in sorted(variables - self.speech.values.keys()):
            known = ", ".join(f"{{{each}}}" for each in sorted(self.speech.values))
            yield f"{{{variable}}} is not filled in. The variables are {known}."
        yield from _payment_warnings(variables)

    def _duration_warnings(self) -> Iterator[str]:
        code_after_s, duration_s = self.code_spoken_after_s, self.duration_s
        if code_after_s is not None and self.max_ring_s + code_after_s > self.min_life_s:
            yield (
                f"The code can expire before it is spoken: {self.max_ring_s} s of ringing and "
                f"{code_after_s} s of speech exceed the {self.min_life_s} s that the code may "
                "have left when it is dialed. Shorten the text, or raise "
                "verification.min_remaining_life or ttl."
            )
        if duration_s is not None and duration_s > self.max_duration_s:
            yield (
                f"The provider hangs up after {self.max_duration_s} s, before the {duration_s} s "
                f"of speech end. Shorten the text, or raise {self.table}.{self.duration_setting}."
            )
        latest_s = self.plan.prompt_s + (code_after_s or 0)
        if self.plan.prompt_s and latest_s > self.max_duration_s:
            yield (
                f"The provider hangs up after {self.max_duration_s} s. Who presses the key at the "
                f"last moment hears the code once after {latest_s} s only. Shorten the prompt, or "
                f"raise {self.table}.{self.duration_setting}."
            )

    def _wording_warnings(self) -> Iterator[str]:
        text = f"{self.speech.prompt} {self.text}"
        words = _PLACEHOLDER.sub(" ", _PAUSE.sub(" ", text))
        if _LINK.search(words):
            yield "A link cannot be followed from a call. Remove it."
        if _DOTTED_CODE.search(text):
            yield (
                "Dots next to the code make some voices read a digit as an ordinal. Use a comma or "
                "a new sentence."
            )
        if _DIGITS.search(_LINK.sub(" ", words)):
            yield "A number in the text can be taken for the code. Write it in words, or remove it."

    def _codes(self) -> list[re.Match[str]]:
        return [each for each in _PLACEHOLDER.finditer(self.text) if each["variable"] == CODE]


def _payment_warnings(variables: set[str]) -> Iterator[str]:
    """Yield what is wrong with a text that speaks a part of a payment."""
    missing = sorted({AMOUNT, PAYEE} - variables)
    if len(missing) == 1:
        yield f"The {missing[0]} of a payment is not spoken. Write {{{missing[0]}}} as well."
    if len(missing) < 2:
        yield (
            "{amount} and {payee} speak nothing if a request has no transaction. Use this text for "
            "a client whose requests all have one."
        )
