"""Whose callbacks are read: docs/provider.md, section 3, Authentication."""

import json
from typing import Any

import pytest

from otpvoice.http_client import HttpClient
from otpvoice.providers.base import (
    Callback,
    CallbackAuthError,
    CallbackParseError,
    Challenge,
)
from otpvoice.providers.mobtexting.provider import Mobtexting

SECRET = "hook-secret"
BEARER = f"Bearer {SECRET}"
HTTP = HttpClient()


def provider(**settings: Any) -> Mobtexting:
    """Build the adapter with one known secret."""
    usual = {"base_url": "http://x/", "token": "t", "http": HTTP, "webhook_secrets": (SECRET,)}
    return Mobtexting(**{**usual, **settings})


def is_authenticated(adapter: Mobtexting, authorization: str = "", path_token: str = "") -> bool:
    """Tell whether a callback with these credentials is read."""
    callback = Callback(
        b'{"id": "x", "status": "BUSY"}', {}, authorization=authorization, path_token=path_token
    )
    try:
        return isinstance(adapter.parse_callback(callback), tuple)
    except CallbackAuthError:
        return False


@pytest.mark.parametrize("known", ["first", "second", "geheimnüß"])
def test_known_secrets(known: str) -> None:
    """Any known secret opens: in the header as Bearer, or a path token in the address."""
    secrets = ("", "first", "second", "geheimnüß")
    assert is_authenticated(provider(webhook_secrets=secrets), f"Bearer {known}")
    assert is_authenticated(provider(webhook_secrets=secrets), f"bearer  {known} ")
    assert is_authenticated(provider(webhook_secrets=(), path_tokens=secrets), "", known)


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {SECRET}", SECRET, f"Bearer {SECRET}x", "é",
     "Bearer é", "Bearer \udc80", "\x00"],
)  # fmt: skip
@pytest.mark.parametrize("path_token", ["", "wrong", SECRET, "é", "\udc80"])
def test_wrong_secrets(authorization: str, path_token: str) -> None:
    """Anything else is not trusted, and a header's secret does not open in the address."""
    for known in ((SECRET,), ("",), ()):
        adapter = provider(webhook_secrets=known, path_tokens=("", "other"))
        assert not is_authenticated(adapter, authorization, path_token)


def test_untrusted_is_not_read() -> None:
    """Without a known secret even an unreadable callback is only untrusted."""
    for settings in ({}, {"validation_key": "key"}):
        with pytest.raises(CallbackAuthError):
            provider(**settings).parse_callback(Callback(b"{", {}))


def challenge(adapter: Mobtexting, key: object, answer: object = "a234qwe") -> object:
    """Send the documented challenge."""
    body = json.dumps({"validation_key": key, "challenge": answer}).encode()
    return adapter.parse_callback(Callback(body, {"token": str(key)}))


def test_challenge() -> None:
    """A challenge with our key needs no other secret and is answered."""
    assert challenge(provider(validation_key="key"), "key") == Challenge("a234qwe")


@pytest.mark.parametrize(
    ("ours", "theirs"), [("", ""), ("", "key"), ("key", ""), ("key", "no"), ("key", None),
                         ("key", ["key"]), ("key", "\ud800"), ("1", True)],
)  # fmt: skip
@pytest.mark.parametrize("authorization", ["", BEARER])
def test_wrong_challenge(ours: str, theirs: object, authorization: str) -> None:
    """A challenge with another key is not answered, not even with a right secret."""
    body = json.dumps({"validation_key": theirs, "challenge": "a234qwe"}).encode()
    with pytest.raises(CallbackAuthError):
        provider(validation_key=ours).parse_callback(Callback(body, {}, authorization))


def test_challenge_without_a_text() -> None:
    """A challenge that is no text can not be answered."""
    with pytest.raises(CallbackParseError):
        challenge(provider(validation_key="key"), "key", ["a234qwe"])


def test_report_needs_a_secret_beside_the_validation_key() -> None:
    """The validation key opens for a challenge only."""
    members = {"validation_key": "key", "status": "ANSWER"}
    with pytest.raises(CallbackAuthError):
        provider(validation_key="key").parse_callback(Callback(json.dumps(members).encode(), {}))
