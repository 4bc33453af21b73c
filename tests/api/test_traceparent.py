"""``traceparent`` of a request (W3C Trace Context), in a process without spans."""

import pytest
from api.api_client import VERIFICATIONS, ApiClient, bearer
from redis import Redis
from support.service import ASHA, LOGIN_KEY

from otpvoice.store import Keys

IDS = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
KEPT = {
    f"00-{IDS}-01": f"00-{IDS}-01",
    f"00-{IDS}-00": f"00-{IDS}-00",
    f"00-{IDS}-ff": f"00-{IDS}-01",  # later flags are not known
    f"01-{IDS}-01": f"00-{IDS}-01",
    f"01-{IDS}-01-more": f"00-{IDS}-01",
}
"""What is stored, by header."""
MALFORMED = (
    "",
    IDS,
    f"00-{IDS}",
    f"00-{IDS}-01-more",
    f"ff-{IDS}-01",
    f"00-{IDS.upper()}-01",
    f"00-{IDS}-01, 00-{IDS}-01",
    f"00-{'0' * 32}-b7ad6b7169203331-01",
    f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
    f"00-{IDS}-01\x7f",
    "00-+919876543210-471102-01",
    "0" * 10_000,
)


def stored(api: ApiClient, redis: Redis, header: str) -> str | None:
    """Create a verification with this header and return what its record keeps of it."""
    sent = bearer(LOGIN_KEY) | {"traceparent": header}
    response = api.client.post(VERIFICATIONS, json={"to": ASHA}, headers=sent)
    assert response.status_code == 201, response.text
    assert "traceparent" not in response.text
    assert "traceparent" not in response.headers
    value = redis.hget(Keys().of("verification", response.get_json()["id"]), "traceparent")
    assert value is None or isinstance(value, bytes)
    return value.decode() if value else None


@pytest.mark.parametrize("header", KEPT)
def test_valid_traceparent_is_kept(api: ApiClient, redis: Redis, header: str) -> None:
    assert stored(api, redis, header) == KEPT[header]


@pytest.mark.parametrize("header", MALFORMED)
def test_malformed_traceparent_is_ignored(api: ApiClient, redis: Redis, header: str) -> None:
    assert stored(api, redis, header) is None


def test_next_request_of_the_thread_does_not_inherit_it(api: ApiClient, redis: Redis) -> None:
    """The first is refused, so it stores nothing."""
    refused = api.client.post(
        VERIFICATIONS, json={}, headers=bearer(LOGIN_KEY) | {"traceparent": f"00-{IDS}-01"}
    )
    assert refused.status_code == 422
    created = api.create()
    assert redis.hget(Keys().of("verification", created["id"]), "traceparent") is None
