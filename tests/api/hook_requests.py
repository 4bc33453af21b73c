"""Requests of identity servers to the hooks of an API under test."""

from functools import reduce
from typing import Any, Final

from api.api_client import ApiClient
from support.identity_servers import (
    ALL,
    CLERK,
    OKTA,
    SUPABASE,
    IdentityServer,
    encode,
    refusal_code,
)
from werkzeug.test import TestResponse

CODE: Final = "047110"
SETTINGS: Final = reduce(lambda all_, each: {**all_, **each.settings()}, ALL, dict[str, str]())
STATUS_OF: Final = {
    "invalid_request": 422,
    "invalid_number": 422,
    "number_not_allowed": 422,
    "idempotency_mismatch": 422,
    "rate_limited": 429,
    "store_unavailable": 503,
}


def send(api: ApiClient, server: IdentityServer, body: Any, **options: Any) -> TestResponse:
    """Post a body as the server does."""
    raw = body if isinstance(body, bytes) else encode(body)
    headers = options["headers"] if "headers" in options else server.headers(raw)
    return api.client.post(server.path, data=raw, headers=headers)


def assert_refused(server: IdentityServer, response: TestResponse, code: str) -> None:
    """Assert a refusal in the words of the server, which asks for no useless repetition."""
    status = STATUS_OF[code]
    shown = refusal_code(server.kind, response.get_json())
    assert shown == (status if server is SUPABASE else code), response.text
    is_200 = server in {SUPABASE, OKTA} or (server is CLERK and status < 500)
    assert response.status_code == (200 if is_200 else status)
    assert response.content_type == "application/json"
    assert ("Retry-After" in response.headers) == (response.status_code in {429, 503})
