"""Calls to many numbers, whose results close and open routes."""

from msgspec.structs import replace
from store.driver import StoreDriver
from support.service import BRIDGE

from otpvoice.core.verification import CallReason, CallStatus, Verification
from otpvoice.store.models import CallResult, RecordResult, RouteHealth

GOOD = CallResult(CallStatus.PLACED, route_health=RouteHealth.GOOD)
BAD = CallResult(CallStatus.UNKNOWN, CallReason.PROVIDER_ERROR, route_health=RouteHealth.BAD)
NO_WORD = CallResult(CallStatus.FAILED, CallReason.PROVIDER_ERROR, is_unsent=True)
REFUSED = CallResult(
    CallStatus.FAILED, CallReason.REFUSED, is_unsent=True, route_health=RouteHealth.BAD
)
UNREACHED = CallResult(
    CallStatus.QUEUED, retry_in_ms=1, is_unsent=True, route_health=RouteHealth.UNREACHED
)
GIVEN_BACK = CallResult(CallStatus.QUEUED, is_unsent=True)
DOWN = CallResult(
    CallStatus.FAILED, CallReason.ROUTE_DOWN, is_unsent=True, route_health=RouteHealth.DOWN
)
ANSWERED_NO = replace(REFUSED, is_refused=True)
"""The provider's own refusal, of this call with its bridge and flow."""
OTHER_BRIDGE = "918068289999"
BOTH = ("obd", "c2c")
FIRST_PAUSE = 10
LEASE = 20


class ManyNumbers:
    """Calls many numbers, each once."""

    def __init__(self, driver: StoreDriver) -> None:
        self._driver = driver
        self._number = 0

    def create(self, route: str = "obd", ttl: float = 300, bridge: str = BRIDGE) -> Verification:
        """Create a verification of a new number."""
        self._number += 1
        number = f"+9198{self._number:08}"
        answer = self._driver.try_create(number, route=route, ttl=ttl, bridge=bridge)
        assert answer.outcome == "created"
        assert answer.verification
        return answer.verification

    def dial(self, result: CallResult, route: str = "obd", bridge: str = BRIDGE) -> RecordResult:
        """Dial a new number by this route, with this result."""
        self.create(route, bridge=bridge)
        claim = self._driver.claim()
        assert claim.route == route
        assert self._driver.mark_sent(claim)
        return self._driver.record(claim, result)

    def close_routes(self, *routes: str) -> None:
        """Close each route by the result of a call."""
        for route in routes:
            self.create(route)
        for claim in [self._driver.claim() for _ in routes]:
            self._driver.mark_sent(claim)
            assert self._driver.record(claim, DOWN).route_change == "closed"


def closed_routes(driver: StoreDriver) -> tuple[str, ...]:
    """Return the closed routes."""
    return driver.store.health().closed_routes
