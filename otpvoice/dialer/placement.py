"""Builds the provider's call from a claim, and maps its placement to the status that follows."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import structs

from otpvoice.core.keys import KeyRing, decrypt_number, decrypt_speech, decrypt_transaction
from otpvoice.core.speech import Flow, Gate
from otpvoice.core.transactions import spoken_variables
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.providers.answering import GatingProvider
from otpvoice.providers.base import (
    OutboundCall,
    PlacementOutcome,
    PlacementResult,
    UnspeakableError,
)
from otpvoice.providers.routes import Route
from otpvoice.store.models import CallResult, Claim, RouteHealth

_RETRY_DELAYS_MS: Final = (1_000, 3_000)
"""Delays before the second and the third request for one call, which is the last. A further
request follows only if no earlier one can have rung.
"""
_UNREACHED_RETRY_MS: Final = 10_000
"""Delay between attempts that sent nothing, after every route was tried."""
_MAX_RETRY_AFTER_S: Final = 30
"""Longest accepted ``Retry-After``. A provider that asks for more has refused the call."""

_TEMPORARY: Final = frozenset({PlacementOutcome.UNSENT, PlacementOutcome.BACK_OFF})
_FAILURE_REASONS: Final = {
    PlacementOutcome.REFUSED: CallReason.REFUSED,
    PlacementOutcome.LINE_REFUSED: CallReason.REFUSED,
    PlacementOutcome.MISCONFIGURED: CallReason.ROUTE_DOWN,
}
"""For every other outcome: the provider's error."""
_ROUTE_HEALTH: Final = {
    PlacementOutcome.ACCEPTED: RouteHealth.GOOD,
    PlacementOutcome.REFUSED: RouteHealth.BAD,
    PlacementOutcome.BACK_OFF: RouteHealth.BAD,
    PlacementOutcome.UNSENT: RouteHealth.UNREACHED,
    PlacementOutcome.AMBIGUOUS: RouteHealth.BAD,
    PlacementOutcome.LINE_REFUSED: RouteHealth.LINE_DOWN,
    PlacementOutcome.MISCONFIGURED: RouteHealth.DOWN,
}


class Undialable(Exception):
    """A call that this process cannot place by its route: its settings lack what the call needs."""


class CallBuilder:
    """Builds the provider's calls from claims.

    Args:
        ring: decrypts numbers, names, codes and transactions.
        routes: by name.
    """

    def __init__(self, ring: KeyRing, routes: Mapping[str, Route]) -> None:
        self._ring = ring
        self._routes = routes
        self._recorded_flows = {
            flow.id: flow
            for route in routes.values()
            if route.lines is None
            for table in (route.flows.common, *route.flows.of_clients.values())
            for flow in table.values()
            if flow.id and (flow.text or flow.gate)
        }
        """By id, those that the record of a call may name."""

    def build(self, claim: Claim) -> OutboundCall:
        """Return the call to place.

        Raises:
            DecryptionError: the key ring lacks the key of the record.
            Undialable: no adapter places calls on the route, or it cannot ask for the flow's key.
        """
        if claim.route not in self._routes:
            raise Undialable(f"no adapter for the route {claim.route}")
        route = self._routes[claim.route]
        code, name = decrypt_speech(self._ring, claim.verification_id, claim.encrypted_speech)
        locale, flow = self._flow(route, claim)
        if flow.gate_kind is Gate.DOOR and not isinstance(route.provider, GatingProvider):
            raise Undialable(f"the provider of the route {claim.route} cannot ask for a key")
        paid = decrypt_transaction(self._ring, claim.verification_id, claim.encrypted_transaction)
        return OutboundCall(
            call_id=claim.call_id,
            route=claim.route,
            mode=route.mode,
            number=decrypt_number(self._ring, claim.verification_id, claim.encrypted_number),
            bridge=claim.bridge,
            flow_id=flow.id,
            locale=locale,
            text=flow.text,
            name=name,
            code=code,
            gate=flow.gate_kind,
            prompt=flow.prompt,
            variables=route.flows.variables(claim.client) | spoken_variables(paid, locale),
        )

    def seconds_until_code(self, call: OutboundCall) -> int | None:
        """Return after how many seconds the code has been spoken, or None if it is not known.

        Raises:
            Undialable: the provider cannot speak the text, which may be of one client only.
        """
        try:
            return self._routes[call.route].provider.plan_speech(call.speech).code_after_s
        except UnspeakableError as error:
            detail = f"the route {call.route} cannot speak the text {call.locale}: {error}"
            raise Undialable(detail) from error

    def _flow(self, route: Route, claim: Claim) -> tuple[str, Flow]:
        """Return key and flow of a call: the record's if it names one of the provider."""
        if claim.flow_id and route.lines is None:
            recorded = self._recorded_flows.get(claim.flow_id, Flow(claim.flow_id))
            return claim.locale, recorded
        return route.flows.choose(claim.client, claim.locale)


def placement_result(placement: PlacementResult, claim: Claim, routes: Iterable[str]) -> CallResult:
    """Return the result to record for one request.

    An accepted call is ``placed``. A request without a clear response makes the call ``unknown``,
    and it is never sent again. A request that cannot have rung is repeated if its failure is
    temporary; otherwise the call fails, and the next untried route follows. If no route could be
    reached, the call waits in the queue until the code's lifetime is too short.
    """
    result = _call_result(placement, claim, routes)
    # A provider that backs off counts as bad once the call fails.
    is_waiting = (
        placement.outcome is PlacementOutcome.BACK_OFF and result.status is CallStatus.QUEUED
    )
    # A provider that responded has received the request, so the call gap of the number applies.
    is_refused = result.is_unsent and placement.outcome is not PlacementOutcome.UNSENT
    health = RouteHealth.NONE if is_waiting else _ROUTE_HEALTH[placement.outcome]
    return structs.replace(result, route_health=health, is_refused=is_refused)


def _call_result(placement: PlacementResult, claim: Claim, routes: Iterable[str]) -> CallResult:
    if placement.outcome is PlacementOutcome.ACCEPTED:
        return CallResult(CallStatus.PLACED, provider_id=placement.provider_id)
    if placement.outcome is PlacementOutcome.AMBIGUOUS:
        return CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR, raw=placement.detail)
    retry_in = _retry_delay_ms(placement, claim)
    if retry_in is not None:
        return CallResult(CallStatus.QUEUED, retry_in_ms=retry_in, is_unsent=True)
    next_route = next_untried_route(claim, routes)
    if placement.outcome is PlacementOutcome.UNSENT and next_route is None:
        return CallResult(CallStatus.QUEUED, retry_in_ms=_UNREACHED_RETRY_MS, is_unsent=True)
    return CallResult(
        CallStatus.FAILED,
        _FAILURE_REASONS.get(placement.outcome, CallReason.PROVIDER_ERROR),
        raw=placement.detail,
        is_unsent=True,
        next_route=next_route,
    )


def _retry_delay_ms(placement: PlacementResult, claim: Claim) -> int | None:
    retry_after = placement.retry_after_s or 0
    is_last = claim.requests >= len(_RETRY_DELAYS_MS) or retry_after > _MAX_RETRY_AFTER_S
    if is_last or placement.outcome not in _TEMPORARY:
        return None
    return max(_RETRY_DELAYS_MS[claim.requests], int(retry_after * 1000))


def next_untried_route(claim: Claim, routes: Iterable[str]) -> str | None:
    """Return the first of ``routes`` that neither this call nor its predecessors tried."""
    untried = [route for route in routes if route not in {claim.route, *claim.tried_routes}]
    return untried[0] if untried else None
