"""The headers that every response has."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SECURITY_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        # base-uri does not inherit from default-src.
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
        # Applies to "no-cors" loads only, so it does not interfere with CORS (Fetch standard,
        # "cross-origin resource policy check").
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)
"""Headers of every response (OWASP ASVS 5.0, sections 3.4, 3.5.8 and 14.3.2).

A response is data. Browsers must not cache it, frame it, load anything from it, or interpret it as
another type. Other origins can read it only as CORS allows.
"""
