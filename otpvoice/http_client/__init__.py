"""Outbound HTTP that knows whether a byte was sent, for providers, events and diagnostics."""

from otpvoice.http_client.client import (
    CA_BUNDLE_VARIABLES,
    CapturedResponse,
    HttpClient,
    HttpResponse,
    InvalidCaBundleError,
    RequestFailed,
    capture_exchanges,
    create_tls_context,
)
from otpvoice.http_client.connection import Deadlines, connect
from otpvoice.http_client.sockets import Proxy, ProxyError, parse_proxy

__all__ = [
    "CA_BUNDLE_VARIABLES",
    "CapturedResponse",
    "Deadlines",
    "HttpClient",
    "HttpResponse",
    "InvalidCaBundleError",
    "Proxy",
    "ProxyError",
    "RequestFailed",
    "capture_exchanges",
    "connect",
    "create_tls_context",
    "parse_proxy",
]
