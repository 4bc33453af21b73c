"""Use cases: from a typed request to one store operation, and from its outcome to a result."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct, structs

from otpvoice.core.errors import FieldError, InvalidRequest, NumberNotAllowed
from otpvoice.core.keys import (
    KeyRing,
    LogId,
    NumberHasher,
    decrypt_number,
    encrypt_number,
    encrypt_speech,
    encrypt_transaction,
    with_transaction,
)
from otpvoice.core.networks import client_network
from otpvoice.core.phone import Number, parse_allowed_number, parse_number, serving_routes
from otpvoice.core.profiles import ClientProfile, CodePolicy
from otpvoice.core.requests import (
    CallRequest,
    CheckRequest,
    CreateRequest,
    NumberCheckRequest,
    NumberRequest,
    bound_parts,
)
from otpvoice.core.speech import Flow, choose_flow, clean_name, generate_code
from otpvoice.core.store_port import (
    Idempotency,
    LimitKeys,
    NewCall,
    NewestOf,
    NewVerification,
    Store,
    StoreResult,
    error_for,
)
from otpvoice.core.verification import EndReason, Status, Verification, queue_margin_s


class Result(Struct, frozen=True, kw_only=True):
    """A verification after a request, with its number."""

    verification: Verification
    number: str
    """E.164."""
    outcome: str
    """As the store reports it; see :class:`otpvoice.core.store_port.Store`."""
    is_replayed: bool = False
    """The outcome of an earlier request with the same idempotency key; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Verifications:
    """The operations of clients and apps, without HTTP and without Redis.

    Every operation raises ``StoreUnavailable`` if the store cannot serve. Those on an existing
    verification raise ``NotFound``, and ``VerificationClosed`` if it has ended; those by number
    also ``InvalidNumber``. With ``idempotency``, a repeated request returns the first outcome, and
    raises ``IdempotencyMismatch`` if its body differs.
    """

    store: Store
    ring: KeyRing
    number_hasher: NumberHasher
    profiles: Mapping[str, ClientProfile]
    """By client."""
    routes: tuple[str, ...]
    """The order in which routes are tried."""
    route_regions: Mapping[str, Collection[str]] = field(default_factory=dict, kw_only=True)
    """The regions that a route is limited to, by its name."""
    policy: CodePolicy

    def log_id(self, number: str) -> LogId:
        """Return the log id of a number."""
        return LogId.from_hash(self.number_hasher.hash(number))

    def create(
        self, client: str, request: CreateRequest, idempotency: Idempotency | None = None
    ) -> Result:
        """Create a verification and queue its call, or return the pending one.

        The outcome is ``created`` or ``existing``.

        Raises:
            RequestRefused: the request is invalid.
            RateLimited: a limit refuses, or no call could come in time.
            Unavailable: no call can be placed.
        """
        new, number = self._new_verification(client, request, idempotency)
        return self._result(self.store.create(new), "created", "existing", number=number)

    def create_live_test(self, client: str, request: CreateRequest) -> Verification:
        """Create a live test call: one real call without redial, events and next route.

        The exchange with the provider is captured. Errors are those of :meth:`create`.
        """
        new, number = self._new_verification(client, request)
        stored = self.store.create(structs.replace(new, is_live_test=True))
        return self._result(stored, "created", number=number).verification

    def request_fingerprint(
        self, credential: str, operation: str, key: str, body: bytes
    ) -> Idempotency:
        """Return hashes that identify a repeated request.

        Args:
            credential: the credential's holder. Each holder has its own keys.
            operation: method and path. Each operation has its own keys.
            key: Idempotency-Key.
            body: the body as received.
        """
        return Idempotency(
            key_hash=self.number_hasher.fingerprint(f"{credential}\0{operation}\0{key}".encode()),
            body_hash=self.number_hasher.fingerprint(body),
        )

    def get(self, client: str, verification_id: str) -> Result:
        """Return a verification."""
        return self._result(self.store.get(verification_id, client), "found")

    def check(
        self,
        client: str,
        verification_id: str,
        request: CheckRequest,
        idempotency: Idempotency | None = None,
    ) -> Result:
        """Compare a code. The first right one ends the verification.

        The outcome is ``right`` or ``wrong``. After ``StoreUnavailable`` it is unknown whether the
        check was counted.

        Raises:
            NoCallYet: the code was generated and no call was sent; neither compared nor counted.
            TooManyWrongCodes: neither compared nor counted.
            InvalidRequest: the code has another length; it is not counted.
        """
        bound = bound_parts(request.transaction)
        digests = self.ring.digests("check", verification_id, request.code, *bound)
        length = len(request.code)
        stored = self.store.check(verification_id, client, length, digests, idempotency)
        return self._result(stored, "right", "wrong")

    def request_call(
        self,
        client: str,
        verification_id: str,
        request: CallRequest,
        idempotency: Idempotency | None = None,
    ) -> Result:
        """Queue a call, or bring a delayed one forward.

        Raises:
            TooLate: a call could not come in time.
            RateLimited: a limit refuses.
            InvalidRequest: the settings have no such route.
            Unavailable: no call can be placed.
        """
        profile = self.profiles[client]
        self._check_route(request.route, self.routes)
        chosen = choose_flow(request.locale, profile.flows) if request.locale else None
        call = _new_call(request.route, chosen, profile)
        return self._result(
            self.store.request_call(verification_id, client, call, idempotency), "coming"
        )

    def cancel(self, client: str, verification_id: str) -> Result:
        """End a verification without approval. A call that was sent is not stopped."""
        return self._close(client, verification_id, Status.CANCELED, EndReason.REQUESTED)

    def approve(self, client: str, verification_id: str) -> Result:
        """End a verification that the client has approved by other means."""
        return self._close(client, verification_id, Status.APPROVED, EndReason.APPROVED_ELSEWHERE)

    def look_up(self, client: str, request: NumberRequest) -> Result:
        """Return the newest verification of a number."""
        return self._result(self.store.get(self._newest_of(request), client), "found")

    def check_by_number(
        self, client: str, request: NumberCheckRequest, idempotency: Idempotency | None = None
    ) -> Result:
        """Compare a code with that of the number's newest verification, as :meth:`check` does."""
        newest = self._newest_of(request)
        bound = bound_parts(request.transaction)
        digests = self.ring.digests("create", client, newest.number_hash, request.code, *bound)
        stored = self.store.check(newest, client, len(request.code), digests, idempotency)
        return self._result(stored, "right", "wrong")

    def approve_by_number(self, client: str, request: NumberRequest) -> Result:
        """End a number's newest verification, which the client has approved by other means."""
        newest = self._newest_of(request)
        return self._close(client, newest, Status.APPROVED, EndReason.APPROVED_ELSEWHERE)

    def _newest_of(self, request: NumberRequest) -> NewestOf:
        number_hash = self.number_hasher.hash(parse_number(request.to).e164)
        reference_hash = self.number_hasher.hash_attribute("reference", request.reference or "")
        return NewestOf(number_hash, request.reference, reference_hash)

    def _close(
        self, client: str, verification: str | NewestOf, status: Status, reason: EndReason
    ) -> Result:
        stored = self.store.close_verification(verification, client, status, reason)
        return self._result(stored, "ended")

    def _new_verification(
        self, client: str, request: CreateRequest, idempotency: Idempotency | None = None
    ) -> tuple[NewVerification, str]:
        """Return the verification to store, and its number (E.164)."""
        profile = self.profiles[client]
        ttl_s = request.ttl or profile.ttl_s
        margin_s = queue_margin_s(self.policy.min_remaining_life_s, ttl_s)
        request.check_for(profile, ttl_s - margin_s)
        number = parse_allowed_number(request.to, profile.number_rules)
        routes = serving_routes(self.routes, self.route_regions, number.region)
        self._check_route(request.route, routes)
        if not routes:
            raise NumberNotAllowed(f"No route calls numbers of {number.region}.")
        locale, flow = choose_flow(request.locale, profile.flows)
        new = NewVerification(
            **self._encrypted(client, request, number.e164),
            client=client,
            own_code=request.code is not None,
            reference=request.reference,
            route=request.route or routes[0],
            locale=locale,
            max_checks=self.policy.max_checks,
            call_after_ms=(request.call_after or 0) * 1000,
            ttl_ms=ttl_s * 1000,
            retention_ms=self.policy.retention_s * 1000,
            queue_margin_ms=int(margin_s * 1000),
            flow=flow.id,
            call=_new_call(request.route, (locale, flow) if request.locale else None, profile),
            limit_keys=self._limit_keys(number, request),
            is_test_number=number.e164 in profile.number_rules.test_numbers,
            idempotency=idempotency,
        )
        return new, number.e164

    def _check_route(self, route: str | None, serving: Sequence[str]) -> None:
        if route is not None and route not in serving:
            names = " or ".join(f'"{each}"' for each in sorted(serving or self.routes))
            is_known = route in self.routes
            detail = f"must be {names}{', for a number of this region' if is_known else ''}"
            raise InvalidRequest(f"/route {detail}.", [FieldError("/route", detail)])

    def _encrypted(self, client: str, request: CreateRequest, number: str) -> dict[str, Any]:
        """Return the members that depend on the number, the code or the transaction."""
        profile, verification_id = self.profiles[client], _new_id("vrf")
        test_code = profile.number_rules.test_numbers.get(number)
        code = request.code or test_code or generate_code(self.policy.code_length)
        name = clean_name(request.name or "") or profile.default_name
        number_hash = self.number_hasher.hash(number)
        ring, bound = self.ring, bound_parts(request.transaction)
        members = {
            "id": verification_id,
            "number_hash": number_hash,
            "encrypted_number": encrypt_number(ring, verification_id, number),
            "encrypted_speech": encrypt_speech(ring, verification_id, code, name),
            "code_digest": ring.digests("check", verification_id, code, *bound)[0],
            "request_digests": ring.digests("create", client, number_hash, code, *bound),
            "code_length": len(code),
        }
        if request.transaction:
            members |= {
                "encrypted_transaction": encrypt_transaction(
                    ring, verification_id, request.transaction.to_transaction()
                ),
                "transaction_digests": ring.digests("transaction", client, number_hash, *bound),
            }
        return members

    def _result(self, stored: StoreResult, *expected: str, number: str | None = None) -> Result:
        """Return the result of an expected outcome, or raise what another one means."""
        verification = stored.verification
        if verification:
            verification = with_transaction(self.ring, verification)
            number = number or decrypt_number(
                self.ring, verification.id, verification.encrypted_number
            )
            if stored.outcome in expected:
                return Result(
                    verification=verification,
                    number=number,
                    outcome=stored.outcome,
                    is_replayed=stored.is_replayed,
                )
        error = error_for(stored)
        error.verification, error.number = verification, number if verification else None
        raise error

    def _limit_keys(self, number: Number, request: CreateRequest) -> LimitKeys:
        network = client_network(request.ip) if request.ip is not None else None
        hash_attribute = self.number_hasher.hash_attribute
        return LimitKeys(
            prefix_hash=hash_attribute("prefix", number.prefix),
            area=number.area,
            region=number.region,
            address_hash=hash_attribute("ip", network) if network else None,
            reference_hash=hash_attribute("reference", request.reference or ""),
        )


def _new_call(
    route: str | None, chosen: tuple[str, Flow] | None, profile: ClientProfile
) -> NewCall:
    locale, flow = (chosen[0], chosen[1].id) if chosen else (None, None)
    bridge = profile.lines.bridges[0]
    caller_id = profile.lines.caller_id or f"+{bridge}"
    return NewCall(_new_id("call"), route, locale, bridge, caller_id, flow)


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(16)}"
