"""The fields that log lines may carry, each with its type. A new field needs one line here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from otpvoice.logs import field_types as types

FIELDS: Final[Mapping[str, types.FieldType]] = MappingProxyType(
    {
        "address": types.ADDRESS,
        "app": types.FLAG,
        "approved": types.COUNT,
        "at": types.PLACES,
        "breaker": types.BREAKER,
        "by": types.OPERATOR,
        "call": types.CALL_ID,
        "checks": types.COUNT,
        "client": types.CLIENT,
        "detail": types.VENDOR_TEXT,
        "dialer": types.DIALER_ID,
        "dropped": types.COUNT,
        "ended": types.COUNT,
        "error": types.CLASS_NAME,
        "exit_status": types.EXIT_CODE,
        "found": types.COUNT,
        "happened_at": types.MOMENT,
        "host": types.HOST,
        "http_status": types.HTTP_STATUS,
        "lines": types.EXACT_COUNT,
        "logger": types.LOGGER,
        "method": types.METHOD,
        "ms": types.MILLISECONDS,
        "news": types.WORD,
        "number": types.LOG_ID,
        "open_for": types.SECONDS,
        "outcome": types.WORD,
        "pid": types.PID,
        "port": types.PORT,
        "raw": types.VENDOR_TEXT,
        "reason": types.TEXT,
        "request_id": types.REQUEST_ID,
        "route": types.one_of(types.ROUTE, types.PATH_RULE),
        "seconds": types.SECONDS,
        "sequence": types.COUNT,
        "signal": types.SIGNAL,
        "status": types.one_of(types.WORD, types.HTTP_STATUS),
        "threads": types.COUNT,
        "to": types.MASKED_NUMBER,
        "tries": types.COUNT,
        "type": types.WORD,
        "valid": types.FLAG,
        "verification": types.VERIFICATION_ID,
        "verifications": types.COUNT,
        "version": types.VERSION,
        "warning": types.TEXT,
        "what": types.SEARCHED,
        "why": types.TEXT,
        "workers": types.COUNT,
        "wrong": types.COUNT,
    }
)
"""Every field of every line. A field means the same thing in all of them."""
