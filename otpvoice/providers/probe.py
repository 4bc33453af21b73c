"""Whether the telephone company can be reached and knows us. Places no call."""

import re
from dataclasses import dataclass
from typing import Final

import requests

from otpvoice.providers.http import CONNECT_TIMEOUT, MAX_REPLY
from otpvoice.providers.mobtexting_callback import read_object

_READ_TIMEOUT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Account:
    """What the company answered."""

    status: int | None
    """200, or the number that refuses, by HTTP or in the body; None: no answer."""
    detail: str
    """For operators; never a token."""
    credits: str | None = None
    """What is left, if it was told."""


def probe(base_url: str, token: str) -> Account:
    """Asks for the balance (docs/provider.md, section 2); raises nothing.

    No redirect is followed, no netrc and no proxy of the environment is used, as with calls.
    """
    headers = {"Accept": "application/json", "Authorization": f"Bearer {token}"}
    try:
        with requests.Session() as session:
            session.trust_env = False
            reply = session.get(
                f"{base_url.rstrip('/')}/finance/balance",
                headers=headers,
                timeout=(CONNECT_TIMEOUT, _READ_TIMEOUT),
                allow_redirects=False,
                stream=True,
            )
            body = next(reply.iter_content(MAX_REPLY), b"")
    except requests.RequestException as error:
        return Account(None, type(error).__name__)
    return _account(reply.status_code, body)


def _account(http_status: int, body: bytes) -> Account:
    try:
        said = read_object(body)
    except ValueError:
        said = {}
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
