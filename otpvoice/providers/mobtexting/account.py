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
from otpvoice.http_client.client import HttpClient, NoReply
from otpvoice.providers.base import Deadlines
from otpvoice.providers.callback_body import read_object

_WITHIN: Final = 7.0
"""Seconds for one question."""
_NO_CALL: Final = "00000000-0000-4000-8000-000000000000"
"""An id that no call has."""


@dataclass(frozen=True, slots=True)
class Account:
    """What the company answered."""

    status: int | None
    """200, or the number that refuses, by HTTP or in the body; None: no answer."""
    detail: str
    """For operators; never a token."""
    credits: str | None = None
    """What is left, if it was told."""


def probe(base_url: str, token: str, http: HttpClient | None = None) -> Account:
    """Asks for the balance; raises nothing."""
    return _ask(base_url, token, "finance/balance", http or HttpClient(connections=1))


def probe_asking(
    base_url: str, token: str, route: Route, today: date, http: HttpClient | None = None
) -> Account:
    """Asks about calls of ``route`` as a dialer would that missed a callback; raises nothing.

    About a call that never was, or for today's log, of which nothing is looked at.
    """
    day = f"{today:%b %d, %Y}"
    path = {
        Route.OBD: f"outgoing/callstatus?{urlencode({'id': _NO_CALL})}",
        Route.C2C: f"voice/calls?{urlencode({'datetime[end_at]': f'{day} - {day}'})}",
    }[route]
    return _ask(base_url, token, path, http or HttpClient(connections=1))


def _ask(base_url: str, token: str, path: str, http: HttpClient) -> Account:
    headers = {"Accept": "application/json", "Authorization": f"Bearer {token}"}
    over_by = time.monotonic() + _WITHIN
    url = f"{base_url.rstrip('/')}/{path}"
    reply = http.get(url, headers, Deadlines(over_by, over_by))
    if isinstance(reply, NoReply):
        return Account(None, reply.why)
    return _account(reply.status, reply.body)


def _account(http_status: int, body: bytes) -> Account:
    try:
        said = read_object(body)
    except ValueError:
        return Account(None if http_status == 200 else http_status, f"HTTP {http_status}, no JSON")
    status = _status(http_status, said.get("status"))
    if status == 200:
        return Account(status, "knows the token", _credits(said.get("data")))
    return Account(status, f"HTTP {http_status}, status {status}")


def _status(http_status: int, told: object) -> int:
    """What counts: a refusal may come as HTTP 200 with the status in the body only."""
    is_number = isinstance(told, str) and re.fullmatch(r"[1-9][0-9]{2}", told)
    return int(str(told)) if http_status == 200 and is_number else http_status


def _credits(data: object) -> str | None:
    """The member that the documents do not show is looked for, not relied on."""
    told = data.get("credits") if isinstance(data, dict) else None
    return told if isinstance(told, str) and re.fullmatch(r"-?[0-9.]{1,20}", told) else None
