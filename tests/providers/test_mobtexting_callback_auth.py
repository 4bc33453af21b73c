"""Authentication of callbacks, and challenges: docs/providers/mobtexting.md, section 3."""

import json

import pytest
from providers.samples import BEARER, SECRET, adapter

from otpvoice.providers.base import Callback, CallbackAuthError, CallbackParseError, Challenge
from otpvoice.providers.mobtexting.provider import Mobtexting


def is_authenticated(provider: Mobtexting, authorization: str = "", path_token: str = "") -> bool:
    """Whether a callback with these credentials is parsed."""
    callback = Callback(
        b'{"id": "x", "status": "BUSY"}',
        {},
        {"authorization": authorization},
        path_token=path_token,
    )
    try:
        return isinstance(provider.parse_callback(callback), tuple)
    except CallbackAuthError:
        return False


@pytest.mark.parametrize("known", ["first", "second", "geheimnüß"])
def test_any_configured_secret_authenticates(known: str) -> None:
    """As Bearer in the header, or as the last segment of the path."""
    secrets = ("", "first", "second", "geheimnüß")
    assert is_authenticated(adapter(webhook_secrets=secrets), f"Bearer {known}")
    assert is_authenticated(adapter(webhook_secrets=secrets), f"bearer  {known} ")
    assert is_authenticated(adapter(webhook_secrets=(), path_tokens=secrets), "", known)


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {SECRET}", SECRET, f"Bearer {SECRET}x", "é",
     "Bearer é", "Bearer \udc80", "\x00"],
)  # fmt: skip
@pytest.mark.parametrize("path_token", ["", "wrong", SECRET, "é", "\udc80"])
def test_other_credentials_are_refused(authorization: str, path_token: str) -> None:
    """A secret of the header does not authenticate in the path."""
    for known in ((SECRET,), ("",), ()):
        provider = adapter(webhook_secrets=known, path_tokens=("", "other"))
        assert not is_authenticated(provider, authorization, path_token)


def test_callback_without_secret_is_not_parsed() -> None:
    """Even an invalid callback is only refused."""
    for settings in ({}, {"validation_key": "key"}):
        with pytest.raises(CallbackAuthError):
            adapter(**settings).parse_callback(Callback(b"{", {}))


def send_challenge(key: object, challenge: object = "a234qwe") -> object:
    """Send a challenge without another secret to an adapter with the key ``key``."""
    body = json.dumps({"validation_key": key, "challenge": challenge}).encode()
    return adapter(validation_key="key").parse_callback(Callback(body, {"token": str(key)}))


def test_challenge_with_right_key_is_answered() -> None:
    """It needs no other secret."""
    assert send_challenge("key") == Challenge("a234qwe")


@pytest.mark.parametrize(
    ("configured", "received"), [("", ""), ("", "key"), ("key", ""), ("key", "no"), ("key", None),
                         ("key", ["key"]), ("key", "\ud800"), ("1", True)],
)  # fmt: skip
@pytest.mark.parametrize("authorization", ["", BEARER])
def test_challenge_with_wrong_key_is_refused(
    configured: str, received: object, authorization: str
) -> None:
    """Another right secret does not replace the key."""
    body = json.dumps({"validation_key": received, "challenge": "a234qwe"}).encode()
    with pytest.raises(CallbackAuthError):
        adapter(validation_key=configured).parse_callback(
            Callback(body, {}, {"authorization": authorization})
        )


def test_challenge_that_is_no_text_is_invalid() -> None:
    """It cannot be returned."""
    with pytest.raises(CallbackParseError):
        send_challenge("key", ["a234qwe"])


def test_validation_key_does_not_authenticate_reports() -> None:
    """A report needs a secret of its own."""
    members = {"validation_key": "key", "status": "ANSWER"}
    with pytest.raises(CallbackAuthError):
        adapter(validation_key="key").parse_callback(Callback(json.dumps(members).encode(), {}))
