"""Place a call with one request (docs/providers/twiml.md, section 2)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from otpvoice.http_client import Deadlines, HttpClient, HttpResponse
from otpvoice.providers.base import HttpRequestSpec, OutboundCall, PlacementResult
from otpvoice.providers.placement import send_request
from otpvoice.providers.twiml.account import Account
from otpvoice.providers.twiml.reply import parse_placement


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """What the requests of an account have in common."""

    ring_timeout_s: int = 45
    time_limit_s: int = 60
    """Of the conversation. Raised to the vendor's minimum."""
    application_id: str = ""
    """Of the TeXML application, which Telnyx requires."""


def build_request(
    account: Account, options: CallOptions, call: OutboundCall, speech: Mapping[str, str]
) -> HttpRequestSpec:
    """Return the request for a call.

    No event is chosen: the vendors' default is one callback after the call has ended. Machine
    detection stays off, because a person would wait for it in silence.

    Args:
        account: places the call.
        options: of every call.
        call: the call.
        speech: the members that hold the document, or the address of it.
    """
    vendor = account.vendor
    members: dict[str, str | int] = {
        "To": call.number,
        "From": f"+{call.bridge}",
        **speech,
        "StatusCallback": account.callback_urls(call.call_id)[0],
        "StatusCallbackMethod": "POST",
        "Timeout": options.ring_timeout_s,
        "TimeLimit": max(options.time_limit_s, vendor.min_time_limit_s),
    }
    if options.application_id:
        members["ApplicationSid"] = options.application_id
    text = json.dumps(members) if vendor.has_json_requests else urlencode(members)
    return HttpRequestSpec(account.calls_url(), text.encode())


def place(
    account: Account,
    request: HttpRequestSpec,
    call: OutboundCall,
    http: HttpClient,
    deadlines: Deadlines,
) -> PlacementResult:
    """Send the request at most once, and return what its reply means; raises nothing."""
    media_type = "json" if account.vendor.has_json_requests else "x-www-form-urlencoded"
    headers = account.headers() | {"Content-Type": f"application/{media_type}"}

    def parse(reply: HttpResponse) -> PlacementResult:
        return parse_placement(call.number, reply, (*account.tokens, *call.personal_texts))

    return send_request(http, request, headers, call, deadlines, parse)
