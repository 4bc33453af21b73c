"""Checks of accounts with vendors of the TwiML family: address, credentials and status queries."""

import ssl
from collections.abc import Iterator, Mapping
from typing import Final

from otpvoice.cli.doctor import Finding, Level, failure, ok
from otpvoice.cli.doctor.network import connectivity_finding
from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed, parse_proxy
from otpvoice.providers.message_body import decode_object
from otpvoice.providers.twiml.settings import TwimlSettings, account_of
from otpvoice.settings import Settings

_TIMEOUT_S: Final = 7.0
_REMEDIES: Final = {
    401: ("token", "is refused", "correct {0}.token, {0}.account or {0}.user"),
    403: ("token", "is refused", "correct {0}.token, or have the account activated"),
    404: ("account", "is unknown", "correct {0}.account or {0}.base_url"),
}
"""Setting, observation and remedy, by the HTTP status of the response to a query of calls."""


def twiml_findings(settings: Settings, trusted: ssl.SSLContext) -> Iterator[Finding]:
    """Yield for each account whether its vendor answers, and accepts the credentials."""
    for table, section in settings.provider_tables().items():
        if isinstance(section, TwimlSettings):
            yield from _account_findings(table, section, trusted)


def _account_findings(
    table: str, section: TwimlSettings, trusted: ssl.SSLContext
) -> Iterator[Finding]:
    # The list of calls needs every credential that calls need, and changes nothing.
    account = account_of(section, webhook_url="")
    url = account.calls_url(PageSize="1")
    todo = f"correct {table}.base_url, or allow this machine to connect"
    reached = connectivity_finding(f"{table} address", url, trusted, todo, section.proxy)
    yield reached
    if reached.level is not Level.FAILURE:
        http = HttpClient(connections=1, tls=trusted, proxy=parse_proxy(section.proxy))
        response = http.get(url, account.headers(), Deadlines.within(_TIMEOUT_S))
        yield credentials_finding(table, response)


def credentials_finding(
    table: str,
    response: HttpResponse | RequestFailed,
    member: str = "calls",
    remedies: Mapping[int, tuple[str, str, str]] = _REMEDIES,
) -> Finding:
    """Return the finding for the response to a query of calls.

    Args:
        table: the section's name.
        response: to the query.
        member: has the list of calls.
        remedies: setting, observation and remedy, by HTTP status.
    """
    if isinstance(response, RequestFailed):
        todo = f"correct {table}.base_url: this is not the vendor's API, or it is down"
        return failure(f"{table} address", f"sends no response ({response.reason})", todo)
    if response.status == 200 and isinstance(decode_object(response.body).get(member), list):
        return ok(
            f"{table}.{remedies[401][0]}",
            "is accepted, and calls without a callback can be queried",
        )
    default = ("base_url", "sends an unexpected response", "correct {0}.base_url")
    setting, found, todo = remedies.get(response.status, default)
    return failure(f"{table}.{setting}", f"{found} (HTTP {response.status})", todo.format(table))
