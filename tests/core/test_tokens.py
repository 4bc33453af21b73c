"""A client token opens what it was made for, until its end, with a key of the ring, and no more."""

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otpvoice.core.errors import OtpvoiceError, TokenExpired, TokenInvalid
from otpvoice.core.keys import KeyRing
from otpvoice.core.tokens import GRACE_S, PREFIX, ClientToken, ClientTokens

OLD, NEW = (bytes([n]) * 32 for n in (1, 2))
TOKENS = ClientTokens(KeyRing([OLD]))
ONE, OTHER = ("vrf_" + digit * 32 for digit in "0f")
EXPIRES_AT = 1_767_225_900
"""Seconds."""
ENDS_AT = EXPIRES_AT + 600
TOKEN = TOKENS.issue("login-backend", ONE, EXPIRES_AT * 1000)


def refuses(token: str, tokens: ClientTokens = TOKENS) -> bool:
    """Whether it is none of ours; the refusal quotes nothing of it."""
    with pytest.raises(TokenInvalid) as refusal:
        tokens.verify(token, EXPIRES_AT)
    assert str(refusal.value) == "This client token is not known."
    return True


@given(
    st.from_regex(r"[a-z0-9][a-z0-9-]{0,63}", fullmatch=True),
    st.from_regex(r"vrf_[0-9a-f]{32}", fullmatch=True),
    st.integers(0, 4_000_000_000),
)
def test_a_token_tells_what_it_was_made_for(client: str, verification: str, end: int) -> None:
    """Client, verification and end; it ends ten minutes after the code."""
    read = TOKENS.verify(TOKENS.issue(client, verification, end * 1000), end)
    assert read == ClientToken(client, verification, end + 600)


def test_a_token_is_short_and_fit_for_a_header() -> None:
    """Its mark, then base64url without padding: a hundred characters will do."""
    assert re.fullmatch(r"vct_[A-Za-z0-9_-]{60,90}", TOKEN)
    assert TOKENS.issue("login-backend", ONE, EXPIRES_AT * 1000) == TOKEN
    assert GRACE_S == 600


@pytest.mark.parametrize("milliseconds", [1, 999])
def test_no_part_of_a_second_is_lost(milliseconds: int) -> None:
    """A code that ends within a second has a token that ends with that second."""
    token = TOKENS.issue("login", ONE, EXPIRES_AT * 1000 + milliseconds)
    assert TOKENS.verify(token, EXPIRES_AT).expires_at == ENDS_AT + 1


@pytest.mark.parametrize("before", [600.0, 1.0, 0.001])
def test_a_token_opens_until_its_last_moment(before: float) -> None:
    """To the end of the second before."""
    assert TOKENS.verify(TOKEN, ENDS_AT - before).verification_id == ONE


@pytest.mark.parametrize("after", [0.0, 0.001, 1.0, 86_400.0])
def test_an_expired_token_is_told_apart(after: float) -> None:
    """From its end on: another refusal than for a wrong one."""
    with pytest.raises(TokenExpired):
        TOKENS.verify(TOKEN, ENDS_AT + after)


@pytest.mark.parametrize("at", range(len(TOKEN)))
def test_a_changed_character_is_refused(at: int) -> None:
    """Mark, format, end, id, client, MAC: any other character in any place, the last one too."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. ~"
    others = [letter for letter in letters if letter != TOKEN[at]]
    assert all(refuses(TOKEN[:at] + other + TOKEN[at + 1 :]) for other in others)


@pytest.mark.parametrize("at", range(len(base64.urlsafe_b64decode(TOKEN[4:] + "=="))))
def test_a_changed_byte_is_refused(at: int) -> None:
    """Each of its eight bits counts."""
    raw = base64.urlsafe_b64decode(TOKEN[4:] + "==")
    for bit in range(8):
        forged = bytearray(raw)
        forged[at] ^= 1 << bit
        assert refuses(PREFIX + base64.urlsafe_b64encode(forged).rstrip(b"=").decode())


@pytest.mark.parametrize("cut", range(1, len(TOKEN)))
def test_a_shortened_token_is_refused(cut: int) -> None:
    """Cut at either end, its mark left on or not."""
    assert refuses(TOKEN[:-cut])
    assert refuses(TOKEN[cut:])
    assert refuses(PREFIX + TOKEN.removeprefix(PREFIX)[cut:])


@pytest.mark.parametrize(
    "other",
    [
        *(f"{TOKEN}{more}" for more in ("A", "AA", "AAAA", "=", "==", " ", "\n", "\u00a0", "ü")),
        *(TOKEN.swapcase(), TOKEN.upper(), f" {TOKEN}", TOKEN[4:], f"vct_{TOKEN}", "", "vct_"),
        *("vct_\udcff\udcfe", "vct_" + "A" * 8000, f"{TOKEN[:40]}\n{TOKEN[40:]}"),
    ],
)
def test_another_spelling_is_refused(other: str) -> None:
    """A token has one spelling; anything may come in a header, and nothing of it is a fault."""
    assert refuses(other)


@given(st.text(), st.binary(max_size=100))
def test_whatever_comes_is_refused(text: str, raw: bytes) -> None:
    """Never a fault of another kind."""
    assert refuses(PREFIX + text)
    assert refuses(PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


def test_parts_of_two_tokens_make_none() -> None:
    """A later end, another verification, another client: the MAC is over all of them at once."""
    others = [
        TOKENS.issue("login-backend", OTHER, EXPIRES_AT * 1000),
        TOKENS.issue("login-backend", ONE, EXPIRES_AT * 1000 + 60_000),
        TOKENS.issue("another-login", ONE, EXPIRES_AT * 1000),
    ]
    for other in others:
        for at in range(4, len(TOKEN)):
            mixed = TOKEN[:at] + other[at:]
            assert mixed in {TOKEN, other} or refuses(mixed)


def test_a_forged_token_is_not_told_its_age() -> None:
    """Wrong and old is wrong: nothing in a token is believed before its MAC."""
    forged = ClientTokens(KeyRing([NEW])).issue("login", ONE, 0)
    assert refuses(forged)


def test_any_key_of_the_ring_is_known() -> None:
    """While a key is added second, and while it is moved first, no app is locked out."""
    rings = [[OLD], [OLD, NEW], [NEW, OLD]]
    made = [ClientTokens(KeyRing(ring)) for ring in rings]
    for older, newer in ((0, 1), (1, 2)):
        for maker, reader in ((older, newer), (newer, older)):
            token = made[maker].issue("login", ONE, EXPIRES_AT * 1000)
            assert made[reader].verify(token, EXPIRES_AT).verification_id == ONE


def test_the_first_key_signs_and_a_dropped_key_opens_nothing() -> None:
    """What the old key signed ends with it; its follower's tokens live on."""
    both, left = ClientTokens(KeyRing([NEW, OLD])), ClientTokens(KeyRing([NEW]))
    token = both.issue("login", ONE, EXPIRES_AT * 1000)
    assert left.verify(token, EXPIRES_AT) == both.verify(token, EXPIRES_AT)
    assert refuses(TOKEN, left)
    assert both.verify(TOKEN, EXPIRES_AT).client == "login-backend"


def test_a_token_has_a_key_of_its_own() -> None:
    """A digest that the ring makes of the same text is not the MAC of a token."""
    ring = KeyRing([OLD])
    assert ring.is_token_mac(b"check", ring.token_mac(b"check"))
    assert not ring.is_token_mac(b"check", ring.digests("check")[0])


def test_refusals_of_tokens_are_two_of_one_kind() -> None:
    """Both are refusals, and neither is the other."""
    assert issubclass(TokenInvalid, OtpvoiceError)
    assert not issubclass(TokenInvalid, TokenExpired)
    assert not issubclass(TokenExpired, TokenInvalid)
