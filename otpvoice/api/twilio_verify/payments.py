"""``Amount`` and ``Payee``: the payment that a code authorises.

https://www.twilio.com/docs/verify/verifying-transactions-psd2
"""

import re
from types import MappingProxyType
from typing import Final

from otpvoice.api.twilio_verify.parameters import Parameters
from otpvoice.core.errors import InvalidRequest
from otpvoice.core.requests import TransactionRequest, transaction_errors
from otpvoice.core.transactions import Transaction

_SYMBOLS: Final = MappingProxyType({"₹": "INR", "€": "EUR", "£": "GBP"})
"""Those that mean one currency. A dollar or yen sign means several."""
_CURRENCY: Final = f"[A-Z]{{3}}|[{''.join(_SYMBOLS)}]"
_AMOUNT: Final = re.compile(rf"({_CURRENCY})\s*([0-9.]+)|([0-9.]+)\s*({_CURRENCY})", re.ASCII)
_FORMS: Final = "must be a number with its currency: INR 2500.00, 2500.00 INR, ₹2500.00 or 39.99 €"


def parse_transaction(form: Parameters) -> TransactionRequest | None:
    """Return the transaction of a create or a check; None without both parameters.

    Raises:
        InvalidRequest: one of the two is missing, or invalid.
    """
    amount, payee = form.get("Amount"), form.get("Payee")
    if amount is None and payee is None:
        return None
    if amount is None:
        raise InvalidRequest.for_field("/Amount", "is required with Payee")
    if payee is None:
        raise InvalidRequest.for_field("/Payee", "is required with Amount")
    parts = _AMOUNT.fullmatch(amount.strip())
    if parts is None:
        raise InvalidRequest.for_field("/transaction/amount", _FORMS)
    currency = parts[1] or parts[4]
    transaction = TransactionRequest(parts[2] or parts[3], _SYMBOLS.get(currency, currency), payee)
    if errors := transaction_errors(transaction):
        raise InvalidRequest("The parameters are invalid.", errors)
    return transaction


def format_amount(transaction: Transaction | None) -> str | None:
    """Return ``Amount`` in a form that :func:`parse_transaction` takes; None without one."""
    return f"{transaction.amount} {transaction.currency}" if transaction else None
