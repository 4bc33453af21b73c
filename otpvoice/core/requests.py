"""Request bodies of the HTTP contract, and the validation of their members."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from otpvoice.core.errors import FieldError, InvalidRequest
from otpvoice.core.networks import MAX_ADDRESSES, client_network
from otpvoice.core.phone import E164
from otpvoice.core.profiles import ClientProfile
from otpvoice.core.speech import CODE_PATTERN, MAX_LANGUAGES, clean_name, is_locale
from otpvoice.core.transactions import (
    AMOUNT_PATTERN,
    CURRENCIES,
    MAX_AMOUNT,
    MAX_PAYEE,
    Transaction,
    is_amount,
)

MAX_REFERENCE: Final = 64
"""Characters of a client's reference."""
# These JSON Schemas document what `field_errors` and the core check, with clearer messages.
_Number = Annotated[
    str, Meta(extra_json_schema={"pattern": f"^{E164.pattern}$", "examples": ["+919876543210"]})
]
_Code = Annotated[
    str, Meta(extra_json_schema={"pattern": f"^{CODE_PATTERN.pattern}$", "examples": ["471102"]})
]
_Locale = Annotated[
    str,
    Meta(
        extra_json_schema={
            "pattern": r"^[A-Za-z0-9_.@=#;,*\- \t]+$",
            "maxLength": MAX_LANGUAGES,
            "examples": ["hi-IN", "hi_IN", "hi-IN,hi;q=0.9,en;q=0.8"],
        }
    ),
]
_Address = Annotated[
    str,
    Meta(
        extra_json_schema={
            "pattern": r'^[A-Za-z0-9_.:%,"\[\]\- \t]+$',
            "maxLength": MAX_ADDRESSES,
            "examples": ["203.0.113.9", "[2001:db8::1]:443", "203.0.113.9, 10.0.0.1"],
        }
    ),
]
_Amount = Annotated[
    str,
    Meta(
        extra_json_schema={
            "pattern": f"^{AMOUNT_PATTERN.pattern}$",
            "maxLength": MAX_AMOUNT,
            "examples": ["2500.00"],
        }
    ),
]
_Currency = Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Z]{3}$", "examples": ["INR"]})]
_Payee = Annotated[str, Meta(extra_json_schema={"examples": ["ACME Stores"]})]


class RequestBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request's JSON object. Unknown members are errors, so that a typo is found."""

    def field_errors(self) -> list[FieldError]:
        """Return what is wrong beyond the types."""
        return []


class TransactionRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """The payment that the code authorises. Its code is valid for this payment only."""

    amount: Annotated[
        _Amount,
        Meta(
            description="A decimal number above zero: at most 13 digits, at most 3 of them after "
            "the point. `2500`, `2500.0` and `2500.00` are the same amount."
        ),
    ]
    currency: Annotated[_Currency, Meta(description="ISO 4217, in upper case.")]
    payee: Annotated[
        _Payee,
        Meta(
            description="Spoken. It is cleaned as `name` is: letters and marks of any script, "
            f"spaces, `'`, `-` and `.` stay, at most {MAX_PAYEE} characters."
        ),
    ]

    def field_errors(self) -> list[FieldError]:
        """Return errors of all members."""
        errors = []
        if not is_amount(self.amount):
            detail = (
                "must be a decimal number above zero, such as 2500.00: at most 13 ASCII digits, at "
                "most 3 of them after the point, without a zero in front, a sign, an exponent or "
                "separators"
            )
            errors.append(FieldError("/amount", detail))
        if self.currency not in CURRENCIES:
            detail = "must be the ISO 4217 code of a currency in upper case, such as INR"
            errors.append(FieldError("/currency", detail))
        payee = self.to_transaction().payee
        if not payee:
            errors.append(FieldError("/payee", "must have letters: nothing of it can be spoken"))
        elif len(payee) > MAX_PAYEE:
            detail = f"must have at most {MAX_PAYEE} characters that can be spoken"
            errors.append(FieldError("/payee", detail))
        return errors

    def to_transaction(self) -> Transaction:
        """Return the transaction as it is spoken, compared and shown."""
        return Transaction(self.amount, self.currency, clean_name(self.payee, None))


def bound_parts(transaction: TransactionRequest | None) -> tuple[str, ...]:
    """Return what a transaction adds to the text of a code's digest: nothing if there is none."""
    return (transaction.to_transaction().canonical,) if transaction else ()


_Transaction = Annotated[
    TransactionRequest | None,
    Meta(
        description="The `transaction` of the create. Without it, or with another one, the code is "
        "wrong."
    ),
]


class CreateRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/verifications``."""

    to: Annotated[_Number, Meta(description="The number, E.164.")]
    name: Annotated[
        str | None,
        Meta(description="Spoken in the greeting. It is cleaned and cut at 40."),
    ] = None
    locale: Annotated[
        _Locale | None,
        Meta(
            description="The languages to speak, the preferred first: a BCP 47 tag (`hi-IN` or "
            "`hi_IN`), or the value of an `Accept-Language` header. The first language with a flow "
            "is used, else the default flow."
        ),
    ] = None
    code: Annotated[
        _Code | None, Meta(description="The client's own code, for example the one in its SMS.")
    ] = None
    call_after: Annotated[
        Annotated[int, Meta(ge=0, le=300)] | None,
        Meta(
            description="Seconds until the call, which is not placed if the verification has ended."
        ),
    ] = None
    ttl: Annotated[
        Annotated[int, Meta(ge=60, le=600)] | None,
        Meta(description="Seconds of the code's life."),
    ] = None
    route: Annotated[str | None, Meta(description="The name of the route to try first.")] = None
    reference: Annotated[
        Annotated[str, Meta(max_length=MAX_REFERENCE)] | None,
        Meta(
            description="The client's id of the login attempt: printable, not a secret. A repeated "
            "number and reference return the same verification."
        ),
    ] = None
    transaction: Annotated[
        TransactionRequest | None,
        Meta(
            description="The payment that the code authorises. It is spoken, and a check must send "
            "the same one. Another transaction is another verification."
        ),
    ] = None
    ip: Annotated[
        _Address | None,
        Meta(
            description="The end user's address, for limits. A port is removed. Of a list, as in "
            "`X-Forwarded-For`, the first public address counts, so send a list only if your own "
            "proxy wrote it. Addresses that are not public are ignored."
        ),
    ] = None

    def field_errors(self) -> list[FieldError]:
        """Return errors of code, locale, reference, transaction and ip."""
        errors = [
            *_locale_errors(self.locale),
            *_code_errors(self.code),
            *_reference_errors(self.reference),
            *transaction_errors(self.transaction),
        ]
        if self.ip is not None:
            try:
                client_network(self.ip)
            except ValueError:
                detail = "must be an IPv4 or IPv6 address, or a list of them"
                errors.append(FieldError("/ip", detail))
        return errors

    def check_for(self, profile: ClientProfile, max_delay_s: float) -> None:
        """Check what a create must have for its client.

        Raises:
            InvalidRequest: the delay is longer than ``max_delay_s``, or the client's code is
                missing.
        """
        if (self.call_after or 0) > max_delay_s:
            detail = (
                f"must be at most {max_delay_s:g}, "
                "to leave time for the call before the code expires"
            )
            raise InvalidRequest.for_field("/call_after", detail)
        if profile.deliver_only and self.code is None:
            detail = "is missing: this client supplies its own codes"
            raise InvalidRequest.for_field("/code", detail)


class CheckRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/verifications/<id>/checks``."""

    code: Annotated[_Code, Meta(description="The code as the user typed it: `code_length` digits.")]
    transaction: _Transaction = None

    def field_errors(self) -> list[FieldError]:
        """Return errors of code and transaction."""
        return [*_code_errors(self.code), *transaction_errors(self.transaction)]


class NumberRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/approvals`` and ``/v1/lookups``: the newest verification of a number."""

    to: Annotated[_Number, Meta(description="The number, E.164.")]
    reference: Annotated[
        Annotated[str, Meta(max_length=MAX_REFERENCE)] | None,
        Meta(
            description="The `reference` of the create. Without it, the newest verification of the "
            "number is meant, whatever its reference."
        ),
    ] = None

    def field_errors(self) -> list[FieldError]:
        """Return the error of a malformed reference."""
        return _reference_errors(self.reference)


class NumberCheckRequest(NumberRequest, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``POST /v1/checks``."""

    code: Annotated[_Code, Meta(description="The code as the user typed it: `code_length` digits.")]
    transaction: _Transaction = None

    def field_errors(self) -> list[FieldError]:
        """Return errors of reference, code and transaction."""
        return [
            *_reference_errors(self.reference),
            *_code_errors(self.code),
            *transaction_errors(self.transaction),
        ]


class CallRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST /v1/verifications/<id>/calls``."""

    route: Annotated[
        str | None, Meta(description="The name of the route to try. Apps cannot choose it.")
    ] = None
    locale: Annotated[
        _Locale | None, Meta(description="The languages for this call, as in a create.")
    ] = None

    def field_errors(self) -> list[FieldError]:
        """Return the error of a malformed locale."""
        return _locale_errors(self.locale)


class EmptyRequest(RequestBody, frozen=True, forbid_unknown_fields=True):
    """``POST …/cancel`` and ``…/approve``: no members."""


def _code_errors(code: str | None) -> list[FieldError]:
    if code is None or CODE_PATTERN.fullmatch(code):
        return []
    return [FieldError("/code", "must be a string of 4 to 10 ASCII digits")]


def _reference_errors(reference: str | None) -> list[FieldError]:
    if reference is None or reference.isprintable():
        return []
    return [FieldError("/reference", "must be printable characters")]


def transaction_errors(transaction: TransactionRequest | None) -> list[FieldError]:
    """Return the errors of a request's ``transaction``."""
    errors = transaction.field_errors() if transaction else []
    return [FieldError(f"/transaction{each.pointer}", each.detail) for each in errors]


def _locale_errors(locale: str | None) -> list[FieldError]:
    if locale is None or is_locale(locale):
        return []
    detail = "must be a BCP 47 language tag such as hi or en-IN, or an Accept-Language list"
    return [FieldError("/locale", detail)]
