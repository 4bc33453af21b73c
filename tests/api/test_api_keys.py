"""API keys over restarts of the API: two keys during a rotation, then the new one alone."""

import hashlib
from collections.abc import Callable

import pytest
from api.api_client import VERIFICATIONS, ApiClient, StartApi, assert_problem
from support.service import BANK_KEY, LOGIN_KEY

NEW_KEY = "ovk_new-key-of-the-login-backend"


def hash_of(key: str) -> str:
    """Return the hash as it is in the settings."""
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.mark.parametrize("both", [[LOGIN_KEY, NEW_KEY], [NEW_KEY, LOGIN_KEY]])
def test_api_key_rotation_needs_no_pause(start_api: StartApi, both: list[str]) -> None:
    """Both keys belong to the client while both are set. After the restart the removed key is
    unknown, and the other key continues what was created. Another client's key is not affected.
    """
    api = start_api(clients_login_key_sha256=",".join(map(hash_of, both)))
    begun = api.with_key(LOGIN_KEY).create()
    assert api.with_key(NEW_KEY).create_again()["id"] == begun["id"]
    api = start_api(clients_login_key_sha256=hash_of(NEW_KEY))
    old, new, bank = (api.with_key(key) for key in (LOGIN_KEY, NEW_KEY, BANK_KEY))
    path = f"{VERIFICATIONS}/{begun['id']}"
    assert_problem(old.get(path), 401, "unauthorized")
    assert_problem(old.create_response(), 401, "unauthorized")
    assert new.get_verification(begun)["id"] == begun["id"]
    assert_problem(bank.get(path), 404, "not_found")
    assert bank.create()["id"] != begun["id"]


@pytest.mark.parametrize("change", [str, str.upper])
def test_api_key_hash_is_rejected_as_key(
    api: ApiClient, environ: dict[str, str], change: Callable[[str], str]
) -> None:
    """The content of the settings does not authenticate anyone."""
    stored = change(environ["OTPVOICE_CLIENTS_LOGIN_KEY_SHA256"])
    assert_problem(api.with_key(stored).create_response(), 401, "unauthorized")
