"""From what the provider answered to what becomes of the call."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from otpvoice.core.verification import CallReason, CallStatus, Route
from otpvoice.providers.base import PlacementOutcome, PlacementResult
from otpvoice.store.models import CallResult, Claim, RouteHealth

MAX_REQUESTS: Final = 3
"""Requests for one call, and only while provably none of them rang."""
_RETRY_DELAYS_MS: Final = (1_000, 3_000)
"""Milliseconds before the second and the third request."""
_UNREACHED_RETRY_MS: Final = 10_000
"""Milliseconds between attempts that sent nothing, once every route had its requests."""
_MAX_RETRY_AFTER_S: Final = 30
"""Seconds: a provider that asks for more is as good as one that refuses."""

_FAILURE_REASONS: Final = {
    PlacementOutcome.REFUSED: CallReason.REFUSED,
    PlacementOutcome.MISCONFIGURED: CallReason.ROUTE_DOWN,
    PlacementOutcome.UNSENT: CallReason.PROVIDER_ERROR,
    PlacementOutcome.BACK_OFF: CallReason.PROVIDER_ERROR,
}

_ROUTE_HEALTH: Final = {
    PlacementOutcome.ACCEPTED: RouteHealth.GOOD,
    PlacementOutcome.REFUSED: RouteHealth.BAD,
    PlacementOutcome.UNSENT: RouteHealth.UNREACHED,
    PlacementOutcome.AMBIGUOUS: RouteHealth.BAD,
    PlacementOutcome.MISCONFIGURED: RouteHealth.DOWN,
}


def placement_result(
    placement: PlacementResult, claim: Claim, routes: Sequence[Route]
) -> CallResult:
    """What is written down of one request.

    Accepted is ``placed``; silence after a request is ``unknown`` and never sent again. What was
    provably not rung is tried again if the reason passes, else the call fails and the next
    untried of ``routes`` takes over. Where nobody was reached by any route, not a byte was sent and
    no try is used up: the call waits in the queue, as long as the code's life allows.
    """
    result = _call_result(placement, claim, routes)
    # Whatever answered without taking the call has had its request: the number's gap holds.
    refused = result.is_unsent and placement.outcome is not PlacementOutcome.UNSENT
    return replace(result, route_health=_route_health(placement, result), is_refused=refused)


def _route_health(placement: PlacementResult, result: CallResult) -> RouteHealth:
    """Judge the route. A provider that wants to be asked later has refused once the call fails."""
    if placement.outcome is PlacementOutcome.BACK_OFF:
        return RouteHealth.BAD if result.status is CallStatus.FAILED else RouteHealth.NONE
    return _ROUTE_HEALTH[placement.outcome]


def _call_result(placement: PlacementResult, claim: Claim, routes: Sequence[Route]) -> CallResult:
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
        _FAILURE_REASONS[placement.outcome],
        raw=placement.detail,
        is_unsent=True,
        next_route=next_route,
    )


def _retry_delay_ms(placement: PlacementResult, claim: Claim) -> int | None:
    sent = claim.requests + 1
    if (
        placement.outcome not in {PlacementOutcome.UNSENT, PlacementOutcome.BACK_OFF}
        or sent >= MAX_REQUESTS
    ):
        return None
    retry_after = placement.retry_after_s or 0
    if retry_after > _MAX_RETRY_AFTER_S:
        return None
    return max(_RETRY_DELAYS_MS[sent - 1], int(retry_after * 1000))


def next_untried_route(claim: Claim, routes: Sequence[Route]) -> Route | None:
    """Return the first of ``routes`` that this call and those before it did not try."""
    untried = [route for route in routes if route not in {claim.route, *claim.tried_routes}]
    return untried[0] if untried else None
