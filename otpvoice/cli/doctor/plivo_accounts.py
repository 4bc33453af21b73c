"""Checks of accounts with Plivo: address, credentials and status queries."""

import ssl
from collections.abc import Iterator
from typing import Final

from otpvoice.cli.doctor import Finding, Level
from otpvoice.cli.doctor.network import connectivity_finding
from otpvoice.cli.doctor.twiml_accounts import credentials_finding
from otpvoice.core.keys import CallTokens, KeyRing
from otpvoice.http_client import Deadlines, HttpClient, parse_proxy
from otpvoice.providers.context import CallAddresses
from otpvoice.providers.plivo.provider import Plivo
from otpvoice.providers.plivo.settings import PlivoSettings
from otpvoice.settings import Settings

_TIMEOUT_S: Final = 7.0
_REMEDIES: Final = {
    401: ("auth_token", "is refused", "correct {0}.auth_id or {0}.auth_token"),
    403: ("auth_token", "is refused", "have the account activated"),
    404: ("auth_id", "is unknown", "correct {0}.auth_id or {0}.base_url"),
}
"""Setting, observation and remedy, by the HTTP status of the response to a query of calls."""


def plivo_findings(settings: Settings, trusted: ssl.SSLContext) -> Iterator[Finding]:
    """Yield for each account whether Plivo answers, and accepts the credentials."""
    for table, section in settings.provider_tables().items():
        if isinstance(section, PlivoSettings):
            yield from _account_findings(table, section, trusted)


def _account_findings(
    table: str, section: PlivoSettings, trusted: ssl.SSLContext
) -> Iterator[Finding]:
    todo = f"correct {table}.base_url, or allow this machine to connect"
    reached = connectivity_finding(
        f"{table} address", section.base_url, trusted, todo, section.proxy
    )
    yield reached
    if reached.level is not Level.FAILURE:
        account = Plivo(
            auth_id=section.auth_id,
            auth_tokens=section.auth_token,
            addresses=CallAddresses("", "", CallTokens(KeyRing([bytes(32)]))),  # for calls only
            base_url=section.base_url,
            http=HttpClient(connections=1, tls=trusted, proxy=parse_proxy(section.proxy)),
        )
        response = account.try_query(Deadlines.within(_TIMEOUT_S))
        yield credentials_finding(table, response, "objects", _REMEDIES)
