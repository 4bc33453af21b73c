"""Seals open for their owner and ring only; digests are bound to the key and to every part."""

import hmac
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otpvoice.core.keys import DecryptionError, KeyRing, NumberHasher

OLD, NEW, OTHER = (bytes([n]) * 32 for n in (1, 2, 3))
RING = KeyRing([OLD])


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text("vrf_0123456789abcdef"))
def test_a_seal_gives_back_what_it_got(plain: str, owner: str) -> None:
    """Any text, for any owner."""
    assert RING.decrypt(RING.encrypt(plain, owner), owner) == plain


def test_a_seal_opens_for_its_owner_only() -> None:
    """Moved into another record it is worthless."""
    sealed = RING.encrypt("123456 Asha", "vrf_a")
    with pytest.raises(DecryptionError):
        RING.decrypt(sealed, "vrf_b")


def test_a_seal_opens_with_its_key_only() -> None:
    """Another ring opens nothing, and its refusal does not quote what it was given."""
    sealed = RING.encrypt("123456 Asha", "vrf_a")
    with pytest.raises(DecryptionError) as refusal:
        KeyRing([OTHER]).decrypt(sealed, "vrf_a")
    assert str(refusal.value) == "no key of the ring opens the seal of vrf_a"


def test_every_seal_is_fresh() -> None:
    """Equal texts look different, so that a dump does not tell which codes are equal."""
    sealed = {RING.encrypt("123456", "vrf_a") for _ in range(1_000)}
    assert len({seal[1:13] for seal in sealed}) == 1_000
    assert len({seal[13:] for seal in sealed}) == 1_000


@pytest.mark.parametrize("at", range(len(RING.encrypt("1234", "vrf_a"))))
def test_a_changed_byte_breaks_the_seal(at: int) -> None:
    """Version, nonce, text and tag: each byte counts."""
    sealed = bytearray(RING.encrypt("1234", "vrf_a"))
    sealed[at] ^= 1
    with pytest.raises(DecryptionError):
        RING.decrypt(bytes(sealed), "vrf_a")


@pytest.mark.parametrize("length", range(len(RING.encrypt("1234", "vrf_a"))))
def test_a_shortened_seal_is_broken(length: int) -> None:
    """Cut anywhere it is refused, and never a fault of another kind."""
    with pytest.raises(DecryptionError):
        RING.decrypt(RING.encrypt("1234", "vrf_a")[:length], "vrf_a")


@pytest.mark.parametrize(
    ("older", "newer"),
    [([OLD], [OLD, NEW]), ([OLD, NEW], [NEW, OLD])],
)
def test_processes_of_two_ages_open_each_other(older: list[bytes], newer: list[bytes]) -> None:
    """While a key is added second, and while it is moved first, nobody is locked out."""
    before, after = KeyRing(older), KeyRing(newer)
    assert after.decrypt(before.encrypt("1", "v"), "v") == "1"
    assert before.decrypt(after.encrypt("1", "v"), "v") == "1"


def test_a_dropped_key_opens_nothing() -> None:
    """What was sealed with it is lost, what was sealed with its follower is not."""
    dropped = KeyRing([NEW])
    assert dropped.decrypt(KeyRing([NEW, OLD]).encrypt("1", "v"), "v") == "1"
    with pytest.raises(DecryptionError):
        dropped.decrypt(KeyRing([OLD, NEW]).encrypt("1", "v"), "v")


def test_the_first_key_seals() -> None:
    """The second only opens."""
    sealed = KeyRing([NEW, OLD]).encrypt("1", "v")
    assert KeyRing([NEW]).decrypt(sealed, "v") == "1"
    with pytest.raises(DecryptionError):
        KeyRing([OLD]).decrypt(sealed, "v")


def test_there_is_one_digest_for_each_key_in_their_order() -> None:
    """So that a check meets a digest made with any of them."""
    both = KeyRing([NEW, OLD]).digests("check", "vrf_a", "123456")
    assert both == [
        *KeyRing([NEW]).digests("check", "vrf_a", "123456"),
        *KeyRing([OLD]).digests("check", "vrf_a", "123456"),
    ]
    assert len(set(both)) == 2
    assert {len(digest) for digest in both} == {16}


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
def test_a_digest_is_bound_to_each_part(parts: tuple[str, ...]) -> None:
    """Another purpose, record, code or division gives another digest."""
    assert RING.digests(*parts) != RING.digests("check", "vrf_a", "123456")


def test_a_digest_is_the_same_in_every_process() -> None:
    """Nothing of it is random; and it is none that can be made without deriving from the key."""
    digest = RING.digests("check", "vrf_a", "123456")
    message = b"check\0vrf_a\x00123456"
    assert digest == KeyRing([OLD]).digests("check", "vrf_a", "123456")
    assert digest[0] not in {
        sha256(message).digest()[:16],
        hmac.digest(OLD, message, "sha256")[:16],
    }


def test_numbers_have_one_name_each() -> None:
    """Stable, 22 characters fit for a key's name, another for each number and key."""
    names = [NumberHasher(OLD).hash(f"+91987654{n:04}") for n in range(500)]
    assert names == [NumberHasher(OLD).hash(f"+91987654{n:04}") for n in range(500)]
    assert len(set(names)) == 500
    assert all(
        len(name) == 22 and name.replace("-", "").replace("_", "").isalnum() for name in names
    )
    assert NumberHasher(NEW).hash("+919876540000") != names[0]


def test_names_and_fingerprints_are_kept_apart() -> None:
    """The same bytes as a number and as a message give two texts."""
    key = NumberHasher(OLD)
    assert key.hash("+919876543210") != key.fingerprint(b"+919876543210")
    assert key.fingerprint(b"a") != key.fingerprint(b"b")
    assert len(key.fingerprint(b"")) == 22
