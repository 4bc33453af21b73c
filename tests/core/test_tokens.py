"""Client tokens: lifetime, forgery and key rotation."""

import base64
import hashlib
import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from otpvoice.core.errors import TokenExpired, TokenInvalid
from otpvoice.core.keys import ClientTokens, KeyRing

OLD, NEW = (bytes([n]) * 32 for n in (1, 2))
TOKENS = ClientTokens(KeyRing([OLD]))
ID, OTHER_ID = ("vrf_" + digit * 32 for digit in "0f")
CODE_EXPIRES_AT = 1_767_225_900
"""Seconds."""
EXPIRES_AT = CODE_EXPIRES_AT + 600
TOKEN = TOKENS.issue("login-backend", ID, CODE_EXPIRES_AT * 1000)


def is_refused(token: str, tokens: ClientTokens = TOKENS) -> bool:
    """Return True after the refusal, which quotes nothing of the token."""
    with pytest.raises(TokenInvalid) as refusal:
        tokens.verify(token, CODE_EXPIRES_AT)
    assert str(refusal.value) == "This client token is not known."
    return True


@given(
    st.from_regex(r"[a-z0-9][a-z0-9-]{0,63}", fullmatch=True),
    st.from_regex(r"vrf_[0-9a-f]{32}", fullmatch=True),
    st.integers(0, 4_000_000_000),
)
def test_token_verified_opens_its_verification(client: str, verification: str, end: int) -> None:
    """It expires ten minutes after the code."""
    token = TOKENS.issue(client, verification, end * 1000)
    assert TOKENS.verify(token, end + 599) == (client, verification)
    with pytest.raises(TokenExpired):
        TOKENS.verify(token, end + 600)


def test_token_has_only_characters_of_a_url_and_a_header() -> None:
    """It is short, and the same verification has the same token."""
    assert re.fullmatch(r"vct_[A-Za-z0-9_.-]{60,160}", TOKEN)
    assert TOKENS.issue("login-backend", ID, CODE_EXPIRES_AT * 1000) == TOKEN


@pytest.mark.parametrize("milliseconds", [1, 999])
def test_token_expiry_is_rounded_up_to_a_second(milliseconds: int) -> None:
    """A token never expires before the code and its grace period."""
    token = TOKENS.issue("login", ID, CODE_EXPIRES_AT * 1000 + milliseconds)
    assert TOKENS.verify(token, EXPIRES_AT + 0.999) == ("login", ID)
    with pytest.raises(TokenExpired):
        TOKENS.verify(token, EXPIRES_AT + 1)


@pytest.mark.parametrize("before", [600.0, 1.0, 0.001])
def test_token_before_its_expiry_is_accepted(before: float) -> None:
    """Up to the last fraction of a second."""
    assert TOKENS.verify(TOKEN, EXPIRES_AT - before) == ("login-backend", ID)


@pytest.mark.parametrize("after", [0.0, 0.001, 1.0, 86_400.0])
def test_token_after_its_expiry_raises_token_expired(after: float) -> None:
    """The error differs from that of a forged token."""
    with pytest.raises(TokenExpired):
        TOKENS.verify(TOKEN, EXPIRES_AT + after)


def test_token_with_a_changed_character_is_refused() -> None:
    """In every place, also in the last one, whose base64 has unused bits."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. ~"
    for at, letter in product(range(len(TOKEN)), letters):
        assert letter == TOKEN[at] or is_refused(TOKEN[:at] + letter + TOKEN[at + 1 :])


def test_token_with_a_changed_payload_bit_is_refused() -> None:
    payload, signature = TOKEN.removeprefix(ClientTokens.PREFIX).rsplit(".", 1)
    for bit in range(8 * len(payload)):
        forged = bytearray(payload, "ascii")
        forged[bit // 8] ^= 1 << bit % 8
        assert is_refused(f"{ClientTokens.PREFIX}{forged.decode('latin-1')}.{signature}")


def test_token_with_a_changed_signature_bit_is_refused() -> None:
    payload, signature = TOKEN.removeprefix(ClientTokens.PREFIX).rsplit(".", 1)
    raw = base64.urlsafe_b64decode(signature + "==")
    for bit in range(8 * len(raw)):
        forged = bytearray(raw)
        forged[bit // 8] ^= 1 << bit % 8
        text = base64.urlsafe_b64encode(forged).rstrip(b"=").decode()
        assert is_refused(f"{ClientTokens.PREFIX}{payload}.{text}")


def test_shortened_token_is_refused() -> None:
    """At either end, with and without its prefix."""
    for cut in range(1, len(TOKEN)):
        assert is_refused(TOKEN[:-cut])
        assert is_refused(TOKEN[cut:])
        assert is_refused(ClientTokens.PREFIX + TOKEN.removeprefix(ClientTokens.PREFIX)[cut:])


@pytest.mark.parametrize(
    "other",
    [
        *(f"{TOKEN}{more}" for more in ("A", "AA", "AAAA", "=", "==", " ", "\n", "\u00a0", "ü")),
        *(TOKEN.swapcase(), TOKEN.upper(), f" {TOKEN}", TOKEN[4:], f"vct_{TOKEN}", "", "vct_"),
        *("vct_\udcff\udcfe", "vct_" + "A" * 8000, f"{TOKEN[:40]}\n{TOKEN[40:]}"),
    ],
)
def test_token_in_another_spelling_is_refused(other: str) -> None:
    """A token has one spelling."""
    assert is_refused(other)


@given(st.text(), st.binary(max_size=100))
def test_arbitrary_text_is_refused(text: str, raw: bytes) -> None:
    """A header can contain anything; it never causes another error."""
    assert is_refused(ClientTokens.PREFIX + text)
    assert is_refused(ClientTokens.PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


def test_token_with_parts_of_another_one_is_refused() -> None:
    """The signature covers expiry, verification and client together."""
    others = [
        TOKENS.issue("login-backend", OTHER_ID, CODE_EXPIRES_AT * 1000),
        TOKENS.issue("login-backend", ID, CODE_EXPIRES_AT * 1000 + 60_000),
        TOKENS.issue("another-login", ID, CODE_EXPIRES_AT * 1000),
    ]
    for other in others:
        for at in range(4, len(TOKEN)):
            mixed = TOKEN[:at] + other[at:]
            assert mixed in {TOKEN, other} or is_refused(mixed)


def test_forged_and_expired_token_raises_token_invalid() -> None:
    """The signature is verified before the expiry is read."""
    assert is_refused(ClientTokens(KeyRing([NEW])).issue("login", ID, 0))


def test_every_key_of_the_ring_verifies() -> None:
    """No app is locked out while a key is added, and while it is moved to the front."""
    rings = [[OLD], [OLD, NEW], [NEW, OLD]]
    tokens = [ClientTokens(KeyRing(ring)) for ring in rings]
    for older, newer in ((0, 1), (1, 2)):
        for issuer, verifier in ((older, newer), (newer, older)):
            token = tokens[issuer].issue("login", ID, CODE_EXPIRES_AT * 1000)
            assert tokens[verifier].verify(token, CODE_EXPIRES_AT) == ("login", ID)


def test_first_key_signs_and_a_removed_key_verifies_nothing() -> None:
    """Tokens of the old key end with it, and those of the new key stay valid."""
    both, remaining = ClientTokens(KeyRing([NEW, OLD])), ClientTokens(KeyRing([NEW]))
    token = both.issue("login", ID, CODE_EXPIRES_AT * 1000)
    assert remaining.verify(token, CODE_EXPIRES_AT) == both.verify(token, CODE_EXPIRES_AT)
    assert is_refused(TOKEN, remaining)
    assert both.verify(TOKEN, CODE_EXPIRES_AT) == ("login-backend", ID)


@pytest.mark.parametrize(("salt", "key"), [("receipt", None), ("client token", OLD)])
def test_token_of_another_purpose_is_refused(salt: str, key: bytes | None) -> None:
    """Signed with the right key for something else, or with the ring key itself."""
    serializer = URLSafeSerializer(
        key or KeyRing([OLD]).token_keys[0],
        salt=salt,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
    assert is_refused(f"{ClientTokens.PREFIX}{serializer.dumps(['login', ID, EXPIRES_AT])!s}")
