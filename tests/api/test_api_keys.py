"""API keys over restarts of the API: two keys during a rotation, then the new one alone."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from api.api_client import VERIFICATIONS
from redis import Redis
from support.raw_http import RawResponse, head, post
from support.service import BANK_KEY, LOGIN_KEY
from support.stack import ApiProcess, running_api

NEW_KEY = "ovk_new-key-of-the-login-backend"
CREATE = b'{"to":"+919876543210","call_after":200}'


def hash_of(key: str) -> str:
    """Return the hash as it is in the settings."""
    return hashlib.sha256(key.encode()).hexdigest()


def creates(served: ApiProcess, key: str) -> RawResponse:
    """Send a create with this key; its call is due so late that no dialer is needed."""
    return served.send(post(f"Content-Length: {len(CREATE)}", key=key), CREATE)


def read_status(served: ApiProcess, key: str, verification: dict[str, Any]) -> RawResponse:
    """Read a verification with this key."""
    path = f"{VERIFICATIONS}/{verification['id']}"
    return served.send(head(f"GET {path} HTTP/1.1", f"Authorization: Bearer {key}"))


@pytest.mark.parametrize("both", [[LOGIN_KEY, NEW_KEY], [NEW_KEY, LOGIN_KEY]])
def test_api_key_rotation_needs_no_pause(
    environ: dict[str, str], redis: Redis, tmp_path: Path, both: list[str]
) -> None:
    """Both keys belong to the client while both are set. After the restart the removed key is
    unknown, and the other key continues what was created. Another client's key is not affected.
    """
    assert redis.dbsize() == 0
    variable = "OTPVOICE_CLIENTS_LOGIN_KEY_SHA256"
    with running_api(
        environ | {variable: ",".join(map(hash_of, both))}, tmp_path / "both"
    ) as served:
        begun, same = creates(served, LOGIN_KEY), creates(served, NEW_KEY)
        assert (begun.status, same.status) == (201, 200)
        assert same.document["id"] == begun.document["id"]
    with running_api(environ | {variable: hash_of(NEW_KEY)}, tmp_path / "one") as served:
        assert read_status(served, LOGIN_KEY, begun.document).is_problem(401, "unauthorized")
        assert creates(served, LOGIN_KEY).is_problem(401, "unauthorized")
        assert read_status(served, NEW_KEY, begun.document).document["id"] == begun.document["id"]
        assert read_status(served, BANK_KEY, begun.document).is_problem(404, "not_found")
        assert creates(served, BANK_KEY).status == 201


@pytest.mark.parametrize("change", [str, str.upper])
def test_api_key_hash_is_rejected_as_key(
    environ: dict[str, str], redis: Redis, tmp_path: Path, change: Callable[[str], str]
) -> None:
    """The content of the settings does not authenticate anyone."""
    assert redis.dbsize() == 0
    stored = environ["OTPVOICE_CLIENTS_LOGIN_KEY_SHA256"]
    with running_api(environ, tmp_path / "log") as served:
        assert creates(served, change(stored)).is_problem(401, "unauthorized")
