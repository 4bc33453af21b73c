"""Payments that a code authorises: their parts, what a voice speaks, and when two are equal.

A code is bound to its transaction ("unique to that transaction": RBI, Authentication Mechanisms for
Digital Payment Transactions Directions, 2025; "dynamic linking": Commission Delegated Regulation
(EU) 2018/389, article 5).
"""

import re
from types import MappingProxyType
from typing import Final, Self

from msgspec import Struct

AMOUNT: Final = "amount"
PAYEE: Final = "payee"
AMOUNT_PATTERN: Final = re.compile(r"(?=.*[1-9])(0|[1-9][0-9]{0,12})(\.[0-9]{1,3})?", re.ASCII)
"""Above zero, without a sign, an exponent, grouping, or a zero in front."""
MAX_AMOUNT: Final = 14
"""Characters: with the point this leaves 13 digits."""
MAX_PAYEE: Final = 30
"""Characters of a payee as it is spoken."""

_LIST_ONE: Final = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
    CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
    GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD
    KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO
    NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE
    SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND
    VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES: Final = frozenset(_LIST_ONE.split())
"""National currencies of ISO 4217, list one, as of January 2026; without funds and metals."""

_INDIAN_RUPEE: Final = "INR"
_RUPEES: Final = MappingProxyType(
    {
        "bn": "টাকা",
        "gu": "રૂપિયા",
        "hi": "रुपये",
        "kn": "ರೂಪಾಯಿ",
        "ml": "രൂപ",
        "mr": "रुपये",
        "pa": "ਰੁਪਏ",
        "ta": "ரூபாய்",
        "te": "రూపాయలు",
    }
)
"""By language. Other languages speak the English word, which is understood in all of India."""


class Transaction(Struct, frozen=True):
    """A payment, as the user hears it."""

    amount: str
    """As the client wrote it, such as ``2500.00``."""
    currency: str
    """One of :data:`CURRENCIES`."""
    payee: str
    """Cleaned, so that nothing in it can be read as part of a template."""

    def __repr__(self) -> str:
        return "Transaction(...)"  # it is personal data

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse what :meth:`to_text` returned."""
        return cls(*text.split(" ", 2))

    def to_text(self) -> str:
        """Return all of it as one text, for encryption."""
        return f"{self.amount} {self.currency} {self.payee}"

    @property
    def canonical(self) -> str:
        """The form in which two equal transactions are equal.

        Zeros at the end of the decimals do not count: ``2500``, ``2500.0`` and ``2500.00`` are one
        amount. Currency and payee are compared as they are.
        """
        return f"{self.currency} {_without_zeros(self.amount)} {self.payee}"

    def spoken_amount(self, locale: str) -> str:
        """Return the amount with its currency as a voice speaks it, such as ``2500 rupees``.

        Whole amounts have no decimals. Rupees are a word; a voice spells the code of other
        currencies: a text must not name one currency while another one is paid.

        Args:
            locale: the key of a flow.
        """
        whole, _, decimals = self.amount.partition(".")
        number = self.amount if decimals.strip("0") else whole
        currency = self.currency
        if currency == _INDIAN_RUPEE:
            currency = _RUPEES.get(locale.partition("-")[0], "rupees")
        return f"{number} {currency}"


def is_amount(text: str) -> bool:
    """Return whether ``text`` is an amount: see :data:`AMOUNT_PATTERN`."""
    return len(text) <= MAX_AMOUNT and bool(AMOUNT_PATTERN.fullmatch(text))


def spoken_variables(transaction: Transaction | None, locale: str) -> dict[str, str]:
    """Return what fills in the placeholders ``{amount}`` and ``{payee}`` of a flow's text.

    Without a transaction they speak nothing.

    Args:
        transaction: its payee is cleaned, so it brings no further placeholder.
        locale: the key of the flow.
    """
    if transaction is None:
        return {AMOUNT: "", PAYEE: ""}
    return {AMOUNT: transaction.spoken_amount(locale), PAYEE: transaction.payee}


def _without_zeros(amount: str) -> str:
    return amount.rstrip("0").rstrip(".") if "." in amount else amount
