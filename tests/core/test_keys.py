"""Encryption, code digests and number hashes."""

import hmac
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otpvoice.core.keys import (
    CallTokens,
    DecryptionError,
    KeyRing,
    NumberHasher,
    decrypt_speech,
    encrypt_speech,
)

OLD, NEW, OTHER = (bytes([n]) * 32 for n in (1, 2, 3))
RING = KeyRing([OLD])


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text("vrf_0123456789abcdef"))
def test_decrypt_returns_the_encrypted_text(text: str, context: str) -> None:
    """Any text, in any context."""
    assert RING.decrypt(RING.encrypt(text, context), context) == text


def test_decrypt_in_another_context_fails() -> None:
    """Ciphertext that is moved to another record is worthless."""
    ciphertext = RING.encrypt("123456 Asha", "vrf_a")
    with pytest.raises(DecryptionError):
        RING.decrypt(ciphertext, "vrf_b")


def test_decrypt_with_another_ring_fails_without_quoting_the_text() -> None:
    """The error names the context only."""
    ciphertext = RING.encrypt("123456 Asha", "vrf_a")
    with pytest.raises(DecryptionError) as error:
        KeyRing([OTHER]).decrypt(ciphertext, "vrf_a")
    assert str(error.value) == "no key of the ring decrypts vrf_a"


def test_encrypt_of_equal_texts_gives_different_ciphertexts() -> None:
    """A dump does not show which codes are equal."""
    ciphertexts = {RING.encrypt("123456", "vrf_a") for _ in range(1_000)}
    assert len({each[1:13] for each in ciphertexts}) == 1_000
    assert len({each[13:] for each in ciphertexts}) == 1_000


@pytest.mark.parametrize("at", range(len(RING.encrypt("1234", "vrf_a"))))
def test_decrypt_of_a_changed_byte_fails(at: int) -> None:
    """In version, nonce, text and tag."""
    ciphertext = bytearray(RING.encrypt("1234", "vrf_a"))
    ciphertext[at] ^= 1
    with pytest.raises(DecryptionError):
        RING.decrypt(bytes(ciphertext), "vrf_a")


@pytest.mark.parametrize("length", range(len(RING.encrypt("1234", "vrf_a"))))
def test_decrypt_of_shortened_ciphertext_fails(length: int) -> None:
    """With the same error, wherever it is cut."""
    with pytest.raises(DecryptionError):
        RING.decrypt(RING.encrypt("1234", "vrf_a")[:length], "vrf_a")


@pytest.mark.parametrize(
    ("older", "newer"),
    [([OLD], [OLD, NEW]), ([OLD, NEW], [NEW, OLD])],
)
def test_rotating_rings_decrypt_each_others_texts(older: list[bytes], newer: list[bytes]) -> None:
    """While a key is added as the second one, and while it is moved to the front."""
    before, after = KeyRing(older), KeyRing(newer)
    assert after.decrypt(before.encrypt("1", "v"), "v") == "1"
    assert before.decrypt(after.encrypt("1", "v"), "v") == "1"


def test_first_key_encrypts_and_a_removed_key_decrypts_nothing() -> None:
    """Texts of the old key are lost with it, and those of the new key are not."""
    remaining = KeyRing([NEW])
    assert remaining.decrypt(KeyRing([NEW, OLD]).encrypt("1", "v"), "v") == "1"
    with pytest.raises(DecryptionError):
        remaining.decrypt(KeyRing([OLD, NEW]).encrypt("1", "v"), "v")


def test_digests_has_one_for_each_key_in_order() -> None:
    """A check matches a digest of any key of the ring."""
    both = KeyRing([NEW, OLD]).digests("check", "vrf_a", "123456")
    assert both == [
        *KeyRing([NEW]).digests("check", "vrf_a", "123456"),
        *KeyRing([OLD]).digests("check", "vrf_a", "123456"),
    ]
    assert len(set(both)) == 2
    assert {len(digest) for digest in both} == {8}


@pytest.mark.parametrize(
    "parts",
    [
        ("check", "vrf_a", "123457"),
        ("check", "vrf_b", "123456"),
        ("create", "vrf_a", "123456"),
        ("check", "vrf_a"),
        ("check", "vrf_a", "123456", ""),
        ("check", "vrf_a1", "23456"),
        ("checkvrf_a", "123456"),
    ],
)
def test_digest_depends_on_each_part(parts: tuple[str, ...]) -> None:
    """On purpose, record and code, and on where one part ends."""
    assert RING.digests(*parts) != RING.digests("check", "vrf_a", "123456")


def test_digest_is_stable_and_uses_a_derived_key() -> None:
    """Every process makes the same digest, and it is not an HMAC with the ring key itself."""
    digest = RING.digests("check", "vrf_a", "123456")
    message = b"check\0vrf_a\x00123456"
    assert digest == KeyRing([OLD]).digests("check", "vrf_a", "123456")
    assert digest[0] not in {
        sha256(message).digest()[:16],
        hmac.digest(OLD, message, "sha256")[:16],
    }


def test_number_hash_is_stable_and_distinct_for_each_number_and_key() -> None:
    """22 characters that are safe in a key name."""
    hashes = [NumberHasher(OLD).hash(f"+91987654{n:04}") for n in range(500)]
    assert hashes == [NumberHasher(OLD).hash(f"+91987654{n:04}") for n in range(500)]
    assert len(set(hashes)) == 500
    assert all(
        len(each) == 22 and each.replace("-", "").replace("_", "").isalnum() for each in hashes
    )
    assert NumberHasher(NEW).hash("+919876540000") != hashes[0]


def test_fingerprint_of_a_number_differs_from_its_hash() -> None:
    """Each purpose has its own key."""
    hasher = NumberHasher(OLD)
    assert hasher.hash("+919876543210") != hasher.fingerprint(b"+919876543210")
    assert hasher.fingerprint(b"a") != hasher.fingerprint(b"b")
    assert len(hasher.fingerprint(b"")) == 22


@pytest.mark.parametrize("name", ["Asha", "Mary Jane O'Neill", ""])
def test_speech_decrypts_only_for_its_verification(name: str) -> None:
    """Codes keep leading zeros, and names their spaces."""
    ciphertext = encrypt_speech(RING, "vrf_a", "0042", name)
    assert decrypt_speech(RING, "vrf_a", ciphertext) == ("0042", name)
    with pytest.raises(DecryptionError):
        decrypt_speech(RING, "vrf_b", ciphertext)


def test_call_token_belongs_to_one_call() -> None:
    """Any ring key verifies, only the first makes tokens."""
    old, new = KeyRing([b"a" * 32]), KeyRing([b"b" * 32, b"a" * 32])
    token = CallTokens(old).issue("call_1")
    assert len(token) == 22
    assert CallTokens(new).is_valid("call_1", token)
    assert CallTokens(new).issue("call_1") != token
    assert not CallTokens(old).is_valid("call_1", CallTokens(new).issue("call_1"))
    for other in ("", "x", token[:-1], token + "A", "é", "\udc80"):
        assert not CallTokens(old).is_valid("call_1", other)
    assert not CallTokens(old).is_valid("call_2", token)
