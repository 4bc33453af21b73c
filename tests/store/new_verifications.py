"""New verifications and calls as the use cases hand them to the store, with default values."""

import secrets
from dataclasses import dataclass

from msgspec.structs import replace
from support.service import ASHA, BRIDGE

from otpvoice.core.keys import (
    KeyRing,
    NumberHasher,
    encrypt_number,
    encrypt_speech,
    encrypt_transaction,
)
from otpvoice.core.phone import Number, region_of
from otpvoice.core.store_port import Idempotency, LimitKeys, NewCall, NewVerification
from otpvoice.core.transactions import Transaction

CODE = "012345"
NUMBERS = NumberHasher(b"the number key of these tests...")


@dataclass(frozen=True)
class VerificationSpec:
    """What a test sets of a new verification. Durations are in seconds."""

    to: str = ASHA
    client: str = "login"
    code: str = CODE
    own_code: bool = False
    reference: str | None = None
    call_after: float = 0
    ttl: float = 300
    keep: float = 7 * 86_400
    max_checks: int = 5
    route: str | None = None
    locale: str = "default"
    bridge: str = BRIDGE
    name: str = "Asha"
    idempotency: Idempotency | None = None
    ip: str | None = None
    is_test: bool = False
    is_live_test: bool = False
    transaction: Transaction | None = None

    def build(self, ring: KeyRing) -> NewVerification:
        """Return the verification, with an id of its own."""
        bound = (self.transaction.canonical,) if self.transaction else ()
        new_id, number = f"vrf_{secrets.token_hex(16)}", NUMBERS.hash(self.to)
        new = NewVerification(
            id=new_id,
            client=self.client,
            number_hash=number,
            encrypted_number=encrypt_number(ring, new_id, self.to),
            encrypted_speech=encrypt_speech(ring, new_id, self.code, self.name),
            code_digest=ring.digests("check", new_id, self.code, *bound)[0],
            request_digests=ring.digests("create", self.client, number, self.code, *bound),
            own_code=self.own_code,
            reference=self.reference,
            route=self.route or "obd",
            locale=self.locale,
            code_length=len(self.code),
            max_checks=self.max_checks,
            call_after_ms=round(self.call_after * 1000),
            ttl_ms=round(self.ttl * 1000),
            retention_ms=round(self.keep * 1000),
            queue_margin_ms=round(min(60, self.ttl / 2) * 1000),
            call=new_call(self.route, self.bridge),
            limit_keys=limit_keys_of(self.to, self.ip, self.reference),
            is_test_number=self.is_test,
            is_live_test=self.is_live_test,
            idempotency=self.idempotency,
        )
        if not self.transaction:
            return new
        return replace(
            new,
            encrypted_transaction=encrypt_transaction(ring, new_id, self.transaction),
            transaction_digests=ring.digests("transaction", self.client, number, *bound),
        )


def new_call(route: str | None = None, bridge: str = BRIDGE) -> NewCall:
    """Return a new call."""
    return NewCall(f"call_{secrets.token_hex(16)}", route, None, bridge, f"+{bridge}")


def limit_keys_of(to: str, ip: str | None, reference: str | None) -> LimitKeys:
    """Return the limit keys of a number."""
    number = Number(to, region_of(to), "mobile")
    return LimitKeys(
        prefix_hash=NUMBERS.hash_attribute("prefix", number.prefix),
        area=number.area,
        region=number.region,
        address_hash=NUMBERS.hash_attribute("ip", ip) if ip else None,
        reference_hash=NUMBERS.hash_attribute("reference", reference) if reference else "",
    )
