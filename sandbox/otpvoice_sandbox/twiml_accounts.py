"""Balance and numbers of an account with a TwiML vendor (docs/providers/twiml.md, section 7)."""

from collections.abc import Iterable
from typing import Any, Final

from flask import Blueprint, Response, request

from otpvoice_sandbox.network import current_sandbox
from otpvoice_sandbox.parsing import RequestRejected
from otpvoice_sandbox.replies import json_reply
from otpvoice_sandbox.twiml_api import authorize, handle_rejection
from otpvoice_sandbox.twiml_vendors import TWIML_VENDORS

blueprint: Final = Blueprint("twiml_accounts", __name__)
blueprint.register_error_handler(RequestRejected, handle_rejection)


@blueprint.get("/2010-04-01/Accounts/<account>/Balance.json")
def get_balance(account: str) -> Response:
    """Return Twilio's balance."""
    authorize(TWIML_VENDORS["twilio"], account)
    amount = current_sandbox().config.balance
    return json_reply({"currency": "USD", "balance": amount, "account_sid": account})


@blueprint.get("/v2/balance")
def get_telnyx_balance() -> Response:
    """Return Telnyx's balance, with nothing lent."""
    authorize(TWIML_VENDORS["telnyx"], "")
    amount = current_sandbox().config.balance
    data = {"record_type": "balance", "balance": amount, "available_credit": amount}
    return json_reply({"data": {**data, "credit_limit": "0.00", "currency": "USD"}})


@blueprint.get(
    "/2010-04-01/Accounts/<account>/IncomingPhoneNumbers.json", defaults={"vendor": "twilio"}
)
@blueprint.get(
    "/api/laml/2010-04-01/Accounts/<account>/IncomingPhoneNumbers.json",
    defaults={"vendor": "signalwire"},
)
def list_rented_numbers(vendor: str, account: str) -> Response:
    """List the numbers that the account rents."""
    authorize(TWIML_VENDORS[vendor], account)
    return _page("incoming_phone_numbers", account, _rented(request.args.get("PhoneNumber", "")))


@blueprint.get(
    "/2010-04-01/Accounts/<account>/OutgoingCallerIds.json", defaults={"vendor": "twilio"}
)
@blueprint.get(
    "/api/laml/2010-04-01/Accounts/<account>/OutgoingCallerIds.json",
    defaults={"vendor": "signalwire"},
)
def list_verified_numbers(vendor: str, account: str) -> Response:
    """List the numbers of others that the account has verified."""
    authorize(TWIML_VENDORS[vendor], account)
    verified = {f"+{each}" for each in current_sandbox().config.verified_numbers}
    wanted = request.args.get("PhoneNumber", "")
    return _page("outgoing_caller_ids", account, verified & {wanted} if wanted else verified)


@blueprint.get("/v2/phone_numbers")
def list_telnyx_numbers() -> Response:
    """List the numbers that the account rents at Telnyx."""
    authorize(TWIML_VENDORS["telnyx"], "")
    return _telnyx_page(_rented(request.args.get("filter[phone_number]", "")))


@blueprint.get("/v2/verified_numbers")
def list_telnyx_verified_numbers() -> Response:
    """List the numbers of others that the account has verified at Telnyx."""
    authorize(TWIML_VENDORS["telnyx"], "")
    return _telnyx_page(f"+{each}" for each in current_sandbox().config.verified_numbers)


def _rented(wanted: str) -> list[str]:
    """Return the rented numbers that a filter leaves. Without a filter, any number is too many."""
    config = current_sandbox().config
    if wanted:
        return [wanted] if config.rents(wanted) else []
    return [f"+{each}" for each in sorted(config.numbers or ())]


def _page(member: str, account: str, numbers: Iterable[str]) -> Response:
    entries = [
        {"account_sid": account, "friendly_name": each, "phone_number": each}
        for each in sorted(numbers)
    ]
    page: dict[str, Any] = {"page": 0, "page_size": 50, "next_page_uri": None}
    return json_reply({member: entries, **page})


def _telnyx_page(numbers: Iterable[str]) -> Response:
    entries = [{"phone_number": each} for each in sorted(numbers)]
    meta = {"page_number": 1, "page_size": 20, "total_pages": 1, "total_results": len(entries)}
    return json_reply({"data": entries, "meta": meta})
