"""Whether the telephone company can be reached, knows us, and can be asked. Places no call.

Only what rings no phone, changes nothing and costs nothing is asked (docs/provider.md, section 2).
"""

import re
import time
from dataclasses import dataclass
from datetime import date
from typing import Final
from urllib.parse import urlencode

from otpvoice.core.verification import Route
from otpvoice.http_client.client import HttpClient, RequestFailed
from otpvoice.providers.base import Deadlines
from otpvoice.providers.callback_body import decode_object

_TIMEOUT_S: Final = 7.0
"""Seconds for one question."""
_UNKNOWN_CALL_ID: Final = "00000000-0000-4000-8000-000000000000"
"""An id that no call has."""


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """What the company answered."""

    status: int | None
    """200, or the number that refuses, by HTTP or in the body; None: no answer."""
    detail: str
    """For operators; never a token."""
    credits: str | None = None
    """What is left, if it was told."""


def fetch_balance(base_url: str, token: str, http: HttpClient | None = None) -> AccountStatus:
    """Asks for the balance; raises nothing."""
    return _get(base_url, token, "finance/balance", http or HttpClient(connections=1))


def try_status_query(
    base_url: str, token: str, route: Route, today: date, http: HttpClient | None = None
) -> AccountStatus:
    """Asks about calls of ``route`` as a dialer would that missed a callback; raises nothing.

    About a call that never was, or for today's log, of which nothing is looked at.
    """
    day = f"{today:%b %d, %Y}"
    path = {
        Route.OBD: f"outgoing/callstatus?{urlencode({'id': _UNKNOWN_CALL_ID})}",
        Route.C2C: f"voice/calls?{urlencode({'datetime[end_at]': f'{day} - {day}'})}",
    }[route]
    return _get(base_url, token, path, http or HttpClient(connections=1))


def _get(base_url: str, token: str, path: str, http: HttpClient) -> AccountStatus:
    headers = {"Accept": "application/json", "Authorization": f"Bearer {token}"}
    finish_by = time.monotonic() + _TIMEOUT_S
    url = f"{base_url.rstrip('/')}/{path}"
    response = http.get(url, headers, Deadlines(finish_by, finish_by))
    if isinstance(response, RequestFailed):
        return AccountStatus(None, response.reason)
    return _parse_account(response.status, response.body)


def _parse_account(http_status: int, body: bytes) -> AccountStatus:
    try:
        members = decode_object(body)
    except ValueError:
        return AccountStatus(
            None if http_status == 200 else http_status, f"HTTP {http_status}, no JSON"
        )
    status = _status(http_status, members.get("status"))
    if status == 200:
        return AccountStatus(status, "knows the token", _credits(members.get("data")))
    return AccountStatus(status, f"HTTP {http_status}, status {status}")


def _status(http_status: int, value: object) -> int:
    """What counts: a refusal may come as HTTP 200 with the status in the body only."""
    is_number = isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{2}", value)
    return int(str(value)) if http_status == 200 and is_number else http_status


def _credits(data: object) -> str | None:
    """The member that the documents do not show is looked for, not relied on."""
    value = data.get("credits") if isinstance(data, dict) else None
    return value if isinstance(value, str) and re.fullmatch(r"-?[0-9.]{1,20}", value) else None
