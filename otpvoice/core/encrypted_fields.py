"""What a verification's record contains in encrypted form only.

Each field is encrypted for its own purpose and its own verification, so that one cannot replace
another. Decryption raises as :meth:`otpvoice.core.keys.KeyRing.decrypt`.
"""

from msgspec.structs import replace

from otpvoice.core.keys import KeyRing
from otpvoice.core.transactions import Transaction
from otpvoice.core.verification import Verification


def encrypt_speech(ring: KeyRing, verification_id: str, code: str, name: str) -> bytes:
    """Encrypt code and name for their verification."""
    return ring.encrypt(f"{code} {name}", f"{verification_id} speech")


def decrypt_speech(ring: KeyRing, verification_id: str, ciphertext: bytes) -> tuple[str, str]:
    """Return code and name."""
    code, _, name = ring.decrypt(ciphertext, f"{verification_id} speech").partition(" ")
    return code, name


def encrypt_number(ring: KeyRing, verification_id: str, number: str) -> bytes:
    """Encrypt an E.164 number for its verification."""
    return ring.encrypt(number, f"{verification_id} number")


def decrypt_number(ring: KeyRing, verification_id: str, ciphertext: bytes) -> str:
    """Return the E.164 number."""
    return ring.decrypt(ciphertext, f"{verification_id} number")


def encrypt_transaction(ring: KeyRing, verification_id: str, transaction: Transaction) -> bytes:
    """Encrypt a transaction for its verification."""
    return ring.encrypt(transaction.to_text(), f"{verification_id} transaction")


def decrypt_transaction(
    ring: KeyRing, verification_id: str, ciphertext: bytes
) -> Transaction | None:
    """Return the transaction; None if there is no ciphertext."""
    if not ciphertext:
        return None
    return Transaction.from_text(ring.decrypt(ciphertext, f"{verification_id} transaction"))


def with_transaction(ring: KeyRing, verification: Verification) -> Verification:
    """Return the verification with its transaction decrypted."""
    transaction = decrypt_transaction(ring, verification.id, verification.encrypted_transaction)
    return replace(verification, transaction=transaction) if transaction else verification
