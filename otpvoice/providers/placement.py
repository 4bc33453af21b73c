"""Sends the one request for a call, for every kind of telephone company."""

from collections.abc import Callable, Mapping

import structlog

from otpvoice.http_client import Deadlines, HttpClient, HttpResponse, RequestFailed
from otpvoice.providers.base import HttpRequestSpec, OutboundCall, PlacementOutcome, PlacementResult

_LOG = structlog.get_logger(__name__)


class MismatchedReplyError(Exception):
    """The reply is about another number, so it is not the reply to this request."""


def send_request(
    http: HttpClient,
    request: HttpRequestSpec,
    headers: Mapping[str, str],
    call: OutboundCall,
    deadlines: Deadlines,
    parse_reply: Callable[[HttpResponse], PlacementResult],
) -> PlacementResult:
    """Send the request at most once, and return what its reply means; raises nothing.

    Args:
        http: sends it.
        request: without its headers.
        headers: with the credentials.
        call: for the log.
        deadlines: of the request.
        parse_reply: raises ``MismatchedReplyError`` for a reply about another number.
    """
    response = http.post(request.url, headers, request.body, deadlines)
    if isinstance(response, RequestFailed):
        outcome = PlacementOutcome.AMBIGUOUS if response.sent else PlacementOutcome.UNSENT
        return PlacementResult(outcome, response.reason)
    try:
        return parse_reply(response)
    except MismatchedReplyError:
        # Replies on other connections may be mixed up as well.
        http.close_idle()
        _LOG.error("provider.reply_mismatch", call=call.call_id, route=call.route)
        detail = f"HTTP {response.status}, the reply is about another number"
        return PlacementResult(PlacementOutcome.AMBIGUOUS, detail)
