"""The use cases: from a typed request to one step of the store, and what that step meant."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import Struct, structs

from otpvoice.core.code import generate_code
from otpvoice.core.errors import InvalidRequest, OtpvoiceError
from otpvoice.core.flow import Flow, choose_flow
from otpvoice.core.keys import KeyRing, LogId, NumberHasher
from otpvoice.core.network import client_network
from otpvoice.core.phone import Number, NumberRules, parse_allowed_number
from otpvoice.core.requests import CallRequest, CheckRequest, CreateRequest
from otpvoice.core.speech import clean_name
from otpvoice.core.store_port import (
    Idempotency,
    LimitKeys,
    NewCall,
    NewVerification,
    Store,
    StoreResult,
    error_for,
)
from otpvoice.core.verification import EndReason, Route, Status, Verification

_MIN_QUEUE_MARGIN_S: Final = 15
"""Seconds of life without which no call is dialed: it rings and speaks about as long."""


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """What holds for one client, its own settings over the common ones."""

    number_rules: NumberRules
    bridge: str
    caller_id: str
    default_name: str
    flows: Mapping[str, Flow]
    ttl_s: int
    """Seconds."""
    deliver_only: bool = False
    """It checks codes itself and reports nothing, so that it brings its own."""


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """How codes live. Seconds."""

    code_length: int
    max_checks: int
    min_remaining_life_s: int
    retention_s: int


class Result(Struct, frozen=True, kw_only=True):
    """A verification after a request, with its number."""

    verification: Verification
    number: str
    """E.164."""
    is_replayed: bool = False
    """The response of an earlier request with the same idempotency key; nothing was changed."""


class Created(Result, frozen=True, kw_only=True):
    """The result of a create."""

    is_new: bool
    """False if the verification was already pending."""


class Checked(Result, frozen=True, kw_only=True):
    """The result of a check."""

    valid: bool
    """Whether this code was accepted."""


class Verifications:
    """What login backends and apps ask for. Knows no HTTP and no Redis.

    Args:
        store: where steps happen.
        ring: seals and digests codes.
        number_key: names numbers.
        profiles: by client.
        routes: the order in which routes are tried.
        rules: how codes live.
    """

    def __init__(
        self,
        store: Store,
        ring: KeyRing,
        number_hasher: NumberHasher,
        profiles: Mapping[str, ClientProfile],
        routes: tuple[Route, ...],
        policy: CodePolicy,
    ) -> None:
        self._store = store
        self._ring = ring
        self._number_hasher = number_hasher
        self._profiles = profiles
        self._routes = routes
        self._policy = policy

    def log_id(self, number: str) -> LogId:
        """What stands for ``number`` in logs, to search by."""
        return LogId.from_hash(self._number_hasher.hash(number))

    def create(
        self, client: str, request: CreateRequest, idempotency: Idempotency | None = None
    ) -> Created:
        """Begins a verification and has a call queued, or finds the one under way.

        With ``idempotency``, what was answered to the same request before is answered again.

        Raises:
            RequestRefused: the request is at fault.
            RateLimited: a limit holds, or no call could come in time.
            IdempotencyMismatch: the key came with another body before.
            Unavailable: no call can be taken on, or the store is away.
        """
        new, number = self._new_verification(client, request, idempotency)
        stored = self._store.create(new)
        if stored.outcome in {"created", "existing"} and stored.verification:
            return Created(
                verification=stored.verification,
                number=number,
                is_replayed=stored.is_replayed,
                is_new=stored.outcome == "created",
            )
        raise self._error_for(stored, number)

    def create_live_test(self, client: str, request: CreateRequest) -> Verification:
        """As :meth:`create`, for a trial: one real call, without redial or next route.

        No client is told of it, and what the provider says is kept for a while, sealed.

        Raises:
            RequestRefused, RateLimited, Unavailable: as they say there.
        """
        new, number = self._new_verification(client, request)
        stored = self._store.create(structs.replace(new, is_live_test=True))
        return self._expect(stored, "created", number).verification

    def request_fingerprint(
        self, credential: str, operation: str, key: str, body: bytes
    ) -> Idempotency:
        """What makes a request known when ``key`` comes again; nothing of it can be read back.

        Args:
            credential: the credential's holder. Each holder has its own keys.
            operation: method and path. Each operation has its own keys.
            key: Idempotency-Key.
            body: as it came.
        """
        return Idempotency(
            key_hash=self._number_hasher.fingerprint(f"{credential}\0{operation}\0{key}".encode()),
            body_hash=self._number_hasher.fingerprint(body),
        )

    def get(self, client: str, verification_id: str) -> Result:
        """The verification as it stands.

        Raises:
            NotFound: none of this client.
            StoreUnavailable: nothing is known.
        """
        return self._expect(self._store.get(verification_id, client), "found")

    def check(
        self,
        client: str,
        verification_id: str,
        request: CheckRequest,
        idempotency: Idempotency | None = None,
    ) -> Checked:
        """Compares one code; the first right one ends the verification.

        With ``idempotency``, what was answered to the same request before is answered again.

        Raises:
            NotFound, VerificationClosed: as they say.
            NoCallYet: the code was generated and no call was sent; neither compared nor counted.
            TooManyWrongCodes: neither compared nor counted.
            InvalidRequest: not as long as the code is; costs no check.
            IdempotencyMismatch: the key came with another body before.
            StoreUnavailable: whether it was counted is not known.
        """
        digests = self._ring.digests("check", verification_id, request.code)
        length = len(request.code)
        answer = self._store.check(verification_id, client, length, digests, idempotency)
        if answer.outcome in {"right", "wrong"} and answer.verification:
            return Checked(
                verification=answer.verification,
                number=self._decrypt_number(answer.verification),
                is_replayed=answer.is_replayed,
                valid=answer.outcome == "right",
            )
        raise self._error_for(answer)

    def request_call(
        self,
        client: str,
        verification_id: str,
        request: CallRequest,
        idempotency: Idempotency | None = None,
    ) -> Result:
        """Makes sure that a call comes, and soon.

        With ``idempotency``, what was answered to the same request before is answered again.

        Raises:
            NotFound, VerificationClosed: as they say.
            TooLate: a call could not come in time.
            RateLimited: a limit holds.
            IdempotencyMismatch: the key came with another body before.
            Unavailable: no call can be taken on, or the store is away.
        """
        profile = self._profiles[client]
        chosen = choose_flow(request.locale, profile.flows) if request.locale else None
        call = _new_call(request.route, chosen, profile)
        answer = self._store.request_call(verification_id, client, call, idempotency)
        return self._expect(answer, "coming")

    def cancel(self, client: str, verification_id: str) -> Result:
        """Ends it without proof. A placed call can not be called back.

        Raises:
            NotFound, VerificationClosed, StoreUnavailable: as they say.
        """
        return self._close(client, verification_id, Status.CANCELED, EndReason.REQUESTED)

    def approve(self, client: str, verification_id: str) -> Result:
        """Ends it as proven by other means.

        Raises:
            NotFound, VerificationClosed, StoreUnavailable: as they say.
        """
        return self._close(client, verification_id, Status.APPROVED, EndReason.APPROVED_ELSEWHERE)

    def _close(
        self, client: str, verification_id: str, status: Status, reason: EndReason
    ) -> Result:
        return self._expect(
            self._store.close_verification(verification_id, client, status, reason), "ended"
        )

    def _new_verification(
        self, client: str, request: CreateRequest, idempotency: Idempotency | None = None
    ) -> tuple[NewVerification, str]:
        """Build the verification to store, and return it with its number (E.164)."""
        profile = self._profiles[client]
        ttl = request.ttl or profile.ttl_s
        call_after = request.call_after or 0
        queue_margin = self._queue_margin(ttl, call_after)
        if profile.deliver_only and request.code is None:
            raise InvalidRequest.for_field("/code", "is missing: this client brings its own codes")
        number = parse_allowed_number(request.to, profile.number_rules)
        number_name = self._number_hasher.hash(number.e164)
        locale, flow = choose_flow(request.locale, profile.flows)
        test_code = profile.number_rules.test_numbers.get(number.e164)
        code = request.code or test_code or generate_code(self._policy.code_length)
        name = clean_name(request.name or "") or profile.default_name
        verification_id = _new_id("vrf")
        new = NewVerification(
            id=verification_id,
            client=client,
            number_hash=number_name,
            encrypted_number=encrypt_number(self._ring, verification_id, number.e164),
            encrypted_speech=encrypt_speech(self._ring, verification_id, code, name),
            code_digest=self._ring.digests("check", verification_id, code)[0],
            request_digests=self._ring.digests("create", client, number_name, code),
            own_code=request.code is not None,
            reference=request.reference,
            route=request.route or self._routes[0],
            locale=locale,
            code_length=len(code),
            max_checks=self._policy.max_checks,
            call_after_ms=call_after * 1000,
            ttl_ms=ttl * 1000,
            retention_ms=self._policy.retention_s * 1000,
            queue_margin_ms=int(queue_margin * 1000),
            flow=flow.id,
            call=_new_call(request.route, (locale, flow) if request.locale else None, profile),
            limit_keys=self._limit_keys(number, request),
            is_test_number=test_code is not None,
            idempotency=idempotency,
        )
        return new, number.e164

    def _expect(self, stored: StoreResult, outcome: str, number: str | None = None) -> Result:
        verification = stored.verification
        if stored.outcome == outcome and verification:
            number = number or self._decrypt_number(verification)
            return Result(verification=verification, number=number, is_replayed=stored.is_replayed)
        raise self._error_for(stored, number)

    def _error_for(self, stored: StoreResult, number: str | None = None) -> OtpvoiceError:
        error = error_for(stored)
        if error.verification:
            error.number = number or self._decrypt_number(error.verification)
        return error

    def _decrypt_number(self, verification: Verification) -> str:
        return decrypt_number(self._ring, verification.id, verification.encrypted_number)

    def _queue_margin(self, ttl: int, call_after: int) -> float:
        """Seconds of the code's life that a call has to leave when it is due.

        Raises:
            InvalidRequest: it would be due later.
        """
        margin = max(_MIN_QUEUE_MARGIN_S, min(self._policy.min_remaining_life_s, ttl / 2))
        if call_after > ttl - margin:
            detail = f"must leave {margin:g} of the code's {ttl} seconds for the call"
            raise InvalidRequest.for_field("/call_after", detail)
        return margin

    def _limit_keys(self, number: Number, request: CreateRequest) -> LimitKeys:
        network = request.ip and client_network(request.ip)
        name = self._number_hasher.hash_attribute
        return LimitKeys(
            prefix_hash=name("prefix", number.prefix),
            area=number.area,
            region=number.region,
            address_hash=name("ip", network) if network else None,
            reference_hash=name("reference", request.reference or ""),
        )


def encrypt_speech(ring: KeyRing, verification_id: str, code: str, name: str) -> bytes:
    """What the voice is to say, sealed into its verification."""
    return ring.encrypt(f"{code} {name}", f"{verification_id} speech")


def decrypt_speech(ring: KeyRing, verification_id: str, encrypted: bytes) -> tuple[str, str]:
    """Code and name, as :func:`encrypt_speech` was given them.

    Raises:
        DecryptionError: the ring lost the key it was sealed with.
    """
    code, _, name = ring.decrypt(encrypted, f"{verification_id} speech").partition(" ")
    return code, name


def encrypt_number(ring: KeyRing, verification_id: str, number: str) -> bytes:
    """The E.164 number, sealed into its verification."""
    return ring.encrypt(number, f"{verification_id} number")


def decrypt_number(ring: KeyRing, verification_id: str, encrypted: bytes) -> str:
    """The number, as :func:`encrypt_number` was given it.

    Raises:
        DecryptionError: the ring lost the key it was sealed with.
    """
    return ring.decrypt(encrypted, f"{verification_id} number")


def _new_call(
    route: Route | None, chosen: tuple[str, Flow] | None, profile: ClientProfile
) -> NewCall:
    locale, flow = (chosen[0], chosen[1].id) if chosen else (None, None)
    return NewCall(_new_id("call"), route, locale, profile.bridge, profile.caller_id, flow)


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(16)}"
