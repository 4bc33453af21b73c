"""Receipts: claims, signature, rotation, and when there is none."""

import base64
import hmac
import json
from collections.abc import Iterator
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.service import ASHA

from otpvoice.core.keys import KeyRing, derive_receipt_scalar, derive_receipt_seed
from otpvoice.core.profiles import ReceiptAlgorithm
from otpvoice.core.receipts import ReceiptSigner
from otpvoice.core.transactions import Transaction
from otpvoice.core.verification import EndReason, Status, Verification

OLD, NEW = (bytes([n]) * 32 for n in (1, 2))
ISSUER: Final = "https://otp.example.com"
RECEIPTS: Final = ReceiptSigner({"k1": OLD}, ISSUER)
SIGNERS: Final = (RECEIPTS, ReceiptSigner({"k1": OLD}, ISSUER, "EdDSA"))
ALGORITHMS: Final[tuple[ReceiptAlgorithm, ...]] = ("ES256", "EdDSA")
APPROVED_AT: Final = 1_767_225_600
"""Seconds since 1970."""
APPROVED = Verification(
    id="vrf_0123456789abcdef0123456789abcdef", client="login", encrypted_number=b"",
    status=Status.APPROVED, reason=None, reference="login-81", created_at=APPROVED_AT * 1000 - 9000,
    expires_at=APPROVED_AT * 1000 + 291_000, ended_at=APPROVED_AT * 1000 + 999, version=4,
    own_code=False, code_length=6, checks_left=5, queue_margin=60_000, calls=(), gap_until=0,
    limit="", limit_until=0, wrong_codes_until=0, now=APPROVED_AT * 1000 + 999,
)  # fmt: skip
CLAIMS: Final = {
    "iss": "https://otp.example.com",
    "sub": "+919876543210",
    "aud": "login",
    "jti": "vrf_0123456789abcdef0123456789abcdef",
    "iat": 1_767_225_600,
    "exp": 1_767_225_900,
    "amr": ["otp", "tel"],
    "reference": "login-81",
}


def parts(receipt: str) -> list[bytes]:
    """Decode header, claims and signature."""
    return [base64.urlsafe_b64decode(part + "==") for part in receipt.split(".")]


def join(*pieces: bytes) -> str:
    """Encode header, claims and signature as a receipt."""
    encoded = (base64.urlsafe_b64encode(part) for part in pieces)
    return b".".join(part.rstrip(b"=") for part in encoded).decode()


def is_verified(receipt: str, receipts: ReceiptSigner = RECEIPTS) -> bool:
    """Return whether one of the public keys verifies the receipt, whatever its age."""
    keys = jwt.PyJWKSet.from_dict(receipts.jwk_set).keys
    return any(_verifies(key, receipt) for key in keys)


def _verifies(key: jwt.PyJWK, receipt: str) -> bool:
    options: Any = {"verify_exp": False}
    try:
        jwt.decode(receipt, key, ALGORITHMS, options, audience="login", issuer=ISSUER)
    except jwt.InvalidTokenError:
        return False
    return True


def flip_bits(part: bytes) -> Iterator[bytes]:
    """Yield the part with one changed bit, in each byte once."""
    for at, byte in enumerate(part):
        yield part[:at] + bytes([byte ^ 1 << at % 8]) + part[at + 1 :]


def test_receipt_has_the_claims_of_the_contract() -> None:
    """In its order and no others; whole seconds, rounded down."""
    header, claims, _ = parts(RECEIPTS.sign(APPROVED, ASHA))
    assert json.loads(header) == {
        "alg": "ES256",
        "kid": "k1.es256",
        "typ": "otpvoice-receipt+jwt",
    }
    assert list(json.loads(claims).items()) == list(CLAIMS.items())
    assert is_verified(RECEIPTS.sign(APPROVED, ASHA))


def test_receipt_without_reference_has_no_such_claim() -> None:
    """An empty reference is one."""
    bare, empty = (replace(APPROVED, reference=reference) for reference in (None, ""))
    assert "reference" not in json.loads(parts(RECEIPTS.sign(bare, ASHA))[1])
    assert json.loads(parts(RECEIPTS.sign(empty, ASHA))[1])["reference"] == ""


def test_receipt_of_a_payment_carries_it_as_the_create_sent_it() -> None:
    paid = replace(APPROVED, transaction=Transaction("2500.00", "INR", "शर्मा स्टोर"))
    claims = json.loads(parts(RECEIPTS.sign(paid, ASHA))[1])
    transaction = {"amount": "2500.00", "currency": "INR", "payee": "शर्मा स्टोर"}
    assert claims == CLAIMS | {"transaction": transaction}


@pytest.mark.parametrize(
    "change", [{"amount": "2500.01"}, {"amount": "2500"}, {"currency": "USD"}, {"payee": "Mallory"}]
)
def test_receipt_with_another_transaction_is_not_verified(change: dict[str, str]) -> None:
    """Also one that means the same payment, and one without any."""
    transaction = {"amount": "2500.00", "currency": "INR", "payee": "ACME"}
    receipt = RECEIPTS.sign(replace(APPROVED, transaction=Transaction(**transaction)), ASHA)
    assert is_verified(receipt)
    header, claims, signature = parts(receipt)
    for forged in ({"transaction": transaction | change}, {"transaction": None}):
        other = json.dumps(json.loads(claims) | forged, separators=(",", ":"))
        assert not is_verified(join(header, other.encode(), signature))


def test_receipt_for_own_code_does_not_claim_tel() -> None:
    """An SMS may have carried the code too (RFC 8176)."""
    receipt = RECEIPTS.sign(replace(APPROVED, own_code=True), ASHA)
    assert json.loads(parts(receipt)[1]) == CLAIMS | {"amr": ["otp"]}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_receipt_signed_again_is_identical(algorithm: ReceiptAlgorithm) -> None:
    """By another process of the same ring, and after another read."""
    later = replace(APPROVED, now=APPROVED.now + 86_400_000, version=9, gap_until=1)
    one, other = (ReceiptSigner({"k1": OLD}, ISSUER, algorithm) for _ in range(2))
    assert one.sign(later, ASHA) == other.sign(APPROVED, ASHA)


def hkdf(info: bytes, length: int) -> bytes:
    """HKDF-SHA256 (RFC 5869) by hand: no salt."""
    pseudorandom, blocks = hmac.digest(bytes(32), OLD, "sha256"), [b""]
    for count in range(1, 1 + -(-length // 32)):
        message = blocks[-1] + info + bytes([count])
        blocks.append(hmac.digest(pseudorandom, message, "sha256"))
    return b"".join(blocks)[:length]


def base64url(raw: bytes) -> str:
    """Encode as the members of a JWK are."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def test_receipt_and_keys_are_stable_across_releases() -> None:
    """Old receipts must stay verifiable, and both kinds of keys are published."""
    signer = Ed25519PrivateKey.from_private_bytes(hkdf(b"otpvoice receipt", 32))
    raw = signer.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    order = 115792089210356248762697446949407573529996955224135760342422259061068512044369
    scalar = int.from_bytes(hkdf(b"otpvoice receipt es256", 48)) % (order - 1) + 1
    point = derive_private_key(scalar, SECP256R1()).public_key().public_numbers()
    of_p256 = {
        "kty": "EC",
        "crv": "P-256",
        "x": base64url(point.x.to_bytes(32)),
        "y": base64url(point.y.to_bytes(32)),
        "kid": "k1.es256",
        "use": "sig",
        "alg": "ES256",
    }
    of_ed25519 = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": base64url(raw),
        "kid": "k1",
        "use": "sig",
        "alg": "EdDSA",
    }
    assert [receipts.jwk_set["keys"] for receipts in SIGNERS] == [[of_p256, of_ed25519]] * 2
    header = b'{"alg":"EdDSA","kid":"k1","typ":"otpvoice-receipt+jwt"}'
    claims = json.dumps(CLAIMS, separators=(",", ":")).encode()
    signature = signer.sign(join(header, claims).encode())
    assert SIGNERS[1].sign(APPROVED, ASHA) == join(header, claims, signature)


def test_signers_of_both_algorithms_accept_each_other() -> None:
    """While a deployment changes the algorithm, processes sign with either."""
    receipts = [signer.sign(APPROVED, ASHA) for signer in SIGNERS]
    assert [jwt.get_unverified_header(receipt)["alg"] for receipt in receipts] == [*ALGORITHMS]
    assert [is_verified(receipt, of) for receipt in receipts for of in SIGNERS] == [True] * 4


def test_key_ids_of_a_ring_are_unique() -> None:
    """Also when ring ids resemble ids of published keys; a ring id has no dot."""
    ring = {"k1": OLD, "k1-es256": NEW, "es256": bytes(32)}
    ids = [key["kid"] for key in ReceiptSigner(ring, ISSUER).jwk_set["keys"]]
    assert len(ids) == len(set(ids)) == 6


def test_receipt_key_has_no_other_purpose() -> None:
    """It differs from the ring key and from those that encrypt and digest."""
    assert derive_receipt_seed(OLD) not in {OLD, NEW, derive_receipt_seed(NEW)}
    assert derive_receipt_seed(OLD)[:16] not in KeyRing([OLD]).digests("receipt")
    others = {OLD, derive_receipt_seed(OLD), derive_receipt_scalar(NEW).to_bytes(32)}
    assert derive_receipt_scalar(OLD).to_bytes(32) not in others


@pytest.mark.parametrize("receipts", SIGNERS, ids=ALGORITHMS)
@pytest.mark.parametrize("part", [0, 1, 2])
def test_receipt_with_a_changed_bit_is_not_verified(part: int, receipts: ReceiptSigner) -> None:
    """In header, claims and signature."""
    whole = parts(receipts.sign(APPROVED, ASHA))
    forged = [join(*whole[:part], bad, *whole[part + 1 :]) for bad in flip_bits(whole[part])]
    assert len(forged) >= 50
    assert not [receipt for receipt in forged if is_verified(receipt)]


@given(st.sampled_from([*CLAIMS]), st.text(max_size=20) | st.integers() | st.none())
def test_receipt_with_another_claim_is_not_verified(name: str, value: Any) -> None:
    """The signature covers every claim."""
    header, claims, signature = parts(RECEIPTS.sign(APPROVED, ASHA))
    other = json.dumps(json.loads(claims) | {name: value}, separators=(",", ":")).encode()
    assert is_verified(join(header, other, signature)) == (CLAIMS[name] == value)


def test_receipt_with_the_signature_of_another_is_not_verified() -> None:
    """A signature is valid for its own claims only."""
    ours = parts(RECEIPTS.sign(APPROVED, ASHA))
    other = parts(RECEIPTS.sign(APPROVED, "+919876543211"))
    assert not is_verified(join(ours[0], other[1], ours[2]))
    assert not is_verified(join(ours[0], ours[1], other[2]))


def test_first_key_signs_and_all_published_keys_verify() -> None:
    """While a key is added as the second one, moved to the front, and the old one removed."""
    rings: list[dict[str, bytes]] = [
        {"k1": OLD},
        {"k1": OLD, "k2": NEW},
        {"k2": NEW, "k1": OLD},
        {"k2": NEW},
    ]
    ages = [ReceiptSigner(ring, ISSUER) for ring in rings]
    receipts = [age.sign(APPROVED, ASHA) for age in ages]
    signed_by = [jwt.get_unverified_header(receipt)["kid"] for receipt in receipts]
    published = [[key["kid"] for key in age.jwk_set["keys"]] for age in ages]
    believed = [[is_verified(receipt, age) for receipt in receipts] for age in ages]
    assert signed_by == ["k1.es256", "k1.es256", "k2.es256", "k2.es256"]
    of_k1, of_k2 = ["k1.es256", "k1"], ["k2.es256", "k2"]
    assert published == [of_k1, of_k1 + of_k2, of_k2 + of_k1, of_k2]
    assert believed == [
        [True, True, False, False],
        [True, True, True, True],
        [True, True, True, True],
        [False, False, True, True],
    ]


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.APPROVED])
def test_sign_of_other_status_raises(status: Status) -> None:
    """Pending, or ended without approval."""
    with pytest.raises(ValueError, match="no check approved vrf_0123456789abcdef"):
        RECEIPTS.sign(replace(APPROVED, status=status), ASHA)


def test_sign_of_approval_by_the_client_raises() -> None:
    """The service has no proof of it, and the error does not contain the number."""
    elsewhere = replace(APPROVED, reason=EndReason.APPROVED_ELSEWHERE)
    with pytest.raises(ValueError, match="no check approved") as refusal:
        RECEIPTS.sign(elsewhere, ASHA)
    assert "98765" not in str(refusal.value)


def test_jwk_set_has_public_members_only() -> None:
    """RFC 7518 and RFC 8037 have the private key in ``d``."""
    of_p256, of_ed25519 = RECEIPTS.jwk_set["keys"]
    assert of_ed25519.keys() == {"kty", "crv", "x", "kid", "use", "alg"}
    assert of_p256.keys() == of_ed25519.keys() | {"y"}
    assert base64.urlsafe_b64decode(of_ed25519["x"] + "=") != derive_receipt_seed(OLD)
