"""Languages as voices of telephone companies need them: with a region."""

from typing import Final

_DEFAULT_REGIONS: Final = {
    **dict.fromkeys(("bn", "gu", "hi", "kn", "ml", "mr", "pa", "ta", "te", "ur"), "IN"),
    "ar": "AE",
    "da": "DK",
    "en": "US",
    "ja": "JP",
    "ko": "KR",
    "pt": "BR",
    "sv": "SE",
    "zh": "CN",
}
"""Of languages whose region is not their own name in capitals, as in ``fr-FR``."""


def default_language(locale: str) -> str:
    """Return the language tag with its region for the key of a flow; empty for ``default``.

    Args:
        locale: a language tag in lower case, or ``default``.
    """
    language, *subtags = locale.split("-")
    if len(language) not in {2, 3} or not language.isalpha():
        return ""
    region = next((tag for tag in subtags if len(tag) == 2 and tag.isalpha()), "")
    return f"{language}-{(region or _DEFAULT_REGIONS.get(language, language)).upper()}"
