"""The filter of the list of verifications: from an address to a selection, and back."""

import re
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from otpvoice.api.console.forms import FormError
from otpvoice.core.verification import CallReason, EndReason, Status, format_utc
from otpvoice.setting_types import parse_seconds
from otpvoice.store.newest import ListFilter

LIST_PATH: Final = "/console/verifications"
VERIFICATION_ID: Final = re.compile(r"vrf_[0-9a-f]{32}")
OUTCOMES: Final = {
    "answered": "answered",
    "busy": "busy",
    "no_answer": "not answered",
    "failed": "failed",
    "open": "no result yet",
    "refused": "refused by the provider",
    "canceled": "canceled, not answered",
    "expired": "expired, never dialed",
}
"""A call's outcomes with their names on the page."""
FILTERED_OUTCOMES: Final = OUTCOMES | {"queued": "queued", "dialing": "being sent"}
REASONS: Final = (*EndReason, *CallReason)
_REGION: Final = re.compile(r"[A-Z]{2}|[0-9]{3}|UNKNOWN")
_PREFIX: Final = re.compile(r"\+?[0-9]{1,9}")
"""Without its last six digits, a number has at most nine (E.164)."""
_LINE: Final = re.compile(r"\+?[0-9]{1,15}")
_MAX_AGO_S: Final = 366 * 86_400


def list_url(path: str = LIST_PATH, **values: object) -> str:
    """Return the address of the list with a filter. ``from`` is given as ``from_``, times in ms."""
    given = {name.rstrip("_"): value for name, value in values.items() if value}
    for name in ("from", "until"):
        if isinstance(value := given.get(name), int):
            given[name] = format_utc(value)
    return f"{path}?{urlencode(given)}" if given else path


def parse_filter(
    args: Mapping[str, str], clients: Collection[str], routes: Collection[str]
) -> tuple[ListFilter, dict[str, str]]:
    """Return the selection that an address asks for, and its parameters as they are shown.

    Raises:
        FormError: a parameter cannot be what it is given as. The text says which, and what can.
    """
    known = ("client", "status", "reason", "outcome", "route")
    names = (*known, "region", "prefix", "line", "from", "until")
    shown = {name: args.get(name, "").strip() for name in names}
    allowed: tuple[Collection[str], ...] = (clients, [*Status], REASONS, FILTERED_OUTCOMES, routes)
    for name, words in zip(known, allowed, strict=True):
        if shown[name] and shown[name] not in words:
            raise FormError(f"There is no {name} of this name. There are: {', '.join(words)}.")
    region = shown["region"].upper()
    _check("Region", region, _REGION, "two letters such as IN")
    _check("Prefix", shown["prefix"], _PREFIX, "the digits of a number without its last six")
    _check("Line", shown["line"], _LINE, "the digits of a caller line")
    prefix, line = (shown[name].removeprefix("+") for name in ("prefix", "line"))
    wanted = ListFilter(
        created_from_ms=_parse_time("From", shown["from"]),
        created_before_ms=_parse_time("Until", shown["until"]),
        **{name: shown[name] for name in known},
        region=region.lower() if region == "UNKNOWN" else region,
        prefix=f"+{prefix}" if prefix else "",
        line=line,
    )
    return wanted, {name: value for name, value in shown.items() if value}


def _check(title: str, text: str, form: re.Pattern[str], expected: str) -> None:
    if text and not form.fullmatch(text):
        raise FormError(f"{title} must be {expected}.")


def _parse_time(title: str, text: str) -> int:
    """Parse a time in UTC, or a duration until now; 0 if there is none."""
    if not text:
        return 0
    parsers: tuple[Callable[[str], float], ...] = (_ago, _utc)
    for parse in parsers:
        try:
            time_ms = round(1000 * parse(text))
            format_utc(time_ms)
        except (ValueError, OverflowError):
            continue
        return max(1, time_ms)
    raise FormError(
        f"{title} must be a time in UTC such as 2026-01-31 18:00, or a duration until now such as "
        "1h or 7d."
    )


def _ago(text: str) -> float:
    if (seconds := parse_seconds(text)) > _MAX_AGO_S:
        raise ValueError(text)
    return time.time() - seconds


def _utc(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
