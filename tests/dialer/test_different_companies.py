"""An API and a dialer with different companies and regions: a call is placed, or has a reason."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from support.companies import TOKEN, plivo, twiml
from support.service import ASHA, ClientAndDialer, SandboxPhones

from otpvoice.container import Container, create_dialer
from otpvoice.core.verification import CallReason, CallStatus, Verification
from otpvoice.dialer.maintenance import MaintenanceLoop
from otpvoice.settings import Settings, load
from otpvoice.store.models import CallUpdate
from otpvoice.store.redis_store import RedisStore
from otpvoice_sandbox import RunningSandbox, SandboxConfig

AMERICAN = "+12125550123"
HOME = {"ROUTES_HOME_PROVIDER": "mobtexting", "ROUTES_HOME_MODE": "obd"}
ABROAD = {"ROUTES_ABROAD_PROVIDER": "twilio"}
BOTH = {
    **HOME,
    **ABROAD,
    "ROUTES_HOME_REGIONS": "IN",
    "ROUTES_ABROAD_REGIONS": "US",
    "DIALER_ROUTES": "home,abroad",
}
HOME_ONLY = {**HOME, "ROUTES_HOME_REGIONS": "IN", "DIALER_ROUTES": "home"}
HOME_EVERYWHERE = {**HOME, "DIALER_ROUTES": "home"}
SWAPPED = {**BOTH, "ROUTES_HOME_REGIONS": "US", "ROUTES_ABROAD_REGIONS": "IN"}
NO_REGIONS = {**HOME, **ABROAD, "DIALER_ROUTES": "home,abroad"}
ELSEWHERE = {**BOTH, "ROUTES_HOME_REGIONS": "GB", "ROUTES_ABROAD_REGIONS": "FR"}
SettingsOf = Callable[[dict[str, str]], Settings]
Start = Callable[[dict[str, str], dict[str, str]], ClientAndDialer]


@pytest.fixture
def abroad() -> Iterator[RunningSandbox]:
    """Run the company abroad."""
    config = SandboxConfig(token=TOKEN, ring_seconds=0.02, talk_seconds=0.02)
    with RunningSandbox(config) as running:
        yield running


@pytest.fixture
def settings_of(
    environ: dict[str, str], sandbox: RunningSandbox, abroad: RunningSandbox
) -> SettingsOf:
    """Return a function that returns settings with some routes."""

    def settings(own: dict[str, str]) -> Settings:
        common = {
            **environ,
            **(twiml("twilio", abroad.url) if "ROUTES_ABROAD_PROVIDER" in own else {}),
            "OTPVOICE_PROVIDER_BASE_URL": sandbox.api_url,
            "OTPVOICE_LIMITS_REGIONS": "IN,US,GB,FR",
            "OTPVOICE_LIMITS_CALL_GAP": "0",
        }
        return load(common | {f"OTPVOICE_{name}": value for name, value in own.items()}).settings

    return settings


@pytest.fixture
def start(settings_of: SettingsOf, store: RedisStore) -> Start:
    """Return a function that starts an API and a dialer, each with its own settings."""

    def start(api: dict[str, str], dialer: dict[str, str]) -> ClientAndDialer:
        stores, both = [], [settings_of(api), settings_of(dialer)]
        for each in both:
            stores.append(RedisStore(store.redis, policy=Container(each).policy))
            stores[-1].sweep("a dialer that was heard of")
        service = Container(both[0], stores[0]).service
        return ClientAndDialer(service, stores[1], create_dialer(both[1], stores[1]))

    return start


def requests(phones: SandboxPhones, abroad: RunningSandbox) -> list[str]:
    """Return the companies that were asked to call, in order."""
    entries = [*phones.ledger(), *SandboxPhones(abroad.url).ledger()]
    return [each["route"] for each in sorted(entries, key=lambda each: each["received_at"])]


def dial_all(harness: ClientAndDialer, begun: Verification) -> list[tuple[str, CallStatus]]:
    """Dial what is due, and return route and status of each call."""
    for _ in range(5):
        if not harness.dial_next():
            return [(call.route, call.status) for call in harness.calls_of(begun)]
    raise AssertionError("calls are due again and again")


@pytest.mark.parametrize(
    ("dialer", "number", "wanted"),
    [
        # The route that the API chose serves the number.
        (BOTH, ASHA, [("home", CallStatus.PLACED)]),
        (BOTH, AMERICAN, [("abroad", CallStatus.PLACED)]),
        # The dialer knows no regions.
        (NO_REGIONS, ASHA, [("home", CallStatus.PLACED)]),
        (NO_REGIONS, AMERICAN, [("abroad", CallStatus.PLACED)]),
        # Its regions lead to another route.
        (SWAPPED, ASHA, [("abroad", CallStatus.PLACED)]),
        (SWAPPED, AMERICAN, [("home", CallStatus.PLACED)]),
        # Its regions leave none: the API's choice remains.
        (ELSEWHERE, ASHA, [("home", CallStatus.PLACED)]),
        (ELSEWHERE, AMERICAN, [("abroad", CallStatus.PLACED)]),
        # It has no such route.
        (HOME_ONLY, AMERICAN, [("abroad", CallStatus.FAILED)]),
        (HOME_EVERYWHERE, AMERICAN, [("abroad", CallStatus.FAILED), ("home", CallStatus.PLACED)]),
    ],
)
def test_call_of_an_api_with_other_regions(
    start: Start,
    phones: SandboxPhones,
    abroad: RunningSandbox,
    dialer: dict[str, str],
    number: str,
    wanted: list[tuple[str, CallStatus]],
) -> None:
    """It is requested once, or not at all."""
    harness = start(BOTH, dialer)
    begun = harness.create(number, code="4711")
    assert dial_all(harness, begun) == wanted
    placed = [{"home": "obd", "abroad": "twiml"}[route] for route, status in wanted
              if status is CallStatus.PLACED]  # fmt: skip
    assert requests(phones, abroad) == placed


def test_call_without_a_route_ends_with_a_reason_that_operators_see(
    start: Start, store: RedisStore
) -> None:
    """As an error in the log, and in what ``/readyz`` shows."""
    harness = start(BOTH, HOME_ONLY)
    begun = harness.create(AMERICAN)
    with capture_logs() as logged:
        assert dial_all(harness, begun) == [("abroad", CallStatus.FAILED)]
    (call,) = harness.calls_of(begun)
    assert call.reason is CallReason.PROVIDER_ERROR
    (line,) = [each for each in logged if each["event"] == "call.undialable"]
    assert (line["log_level"], line["call"]) == ("error", call.id)
    assert store.health().quarantine.undialable == 1


@pytest.mark.parametrize("dialer", [HOME_EVERYWHERE, NO_REGIONS, SWAPPED])
def test_refused_call_follows_on_a_route_of_the_dialer(
    start: Start, phones: SandboxPhones, abroad: RunningSandbox, dialer: dict[str, Any]
) -> None:
    """Each route is tried once, whatever the API would choose."""
    harness = start(BOTH, dialer)
    for company in (phones, SandboxPhones(abroad.url)):
        company.set_behaviour(ASHA, "reply", status=422, body={"message": "no", "code": 21211})
    begun = harness.create()
    calls = dial_all(harness, begun)
    assert {status for _, status in calls} == {CallStatus.FAILED}
    routes = [route for route, _ in calls]
    assert len(routes) == len({*routes})
    assert len(requests(phones, abroad)) == len(routes)


def test_call_is_queried_by_a_dialer_that_has_its_company(
    start: Start, settings_of: SettingsOf, abroad: RunningSandbox
) -> None:
    """Another dialer leaves it as it is, and says so in the log."""
    harness = start(BOTH, BOTH)
    begun = harness.create(AMERICAN)
    assert dial_all(harness, begun) == [("abroad", CallStatus.PLACED)]
    assert abroad.state.wait_until(lambda: all(call.ended_at for call in abroad.state.calls), 3)
    without, having = (
        MaintenanceLoop("keeper", harness.store, Container(each).routes, Container(each).key_ring)
        for each in (settings_of(HOME_ONLY), settings_of(BOTH))
    )
    for keeper, status in ((without, CallStatus.PLACED), (having, CallStatus.ANSWERED)):
        harness.store.clock_offset_ms += 61_000
        (query,) = harness.store.due_status_queries(32)
        with capture_logs() as logged:
            keeper.query_status(query)
        assert [call.status for call in harness.calls_of(begun)] == [status]
        failed = [each["reason"] for each in logged if each["event"] == "call.status_query_failed"]
        assert failed == (["no adapter for the route"] if keeper is without else [])


TOO_LONG = "x" * 4_000
UNSPEAKABLE = {
    "text": {"text": f"{TOO_LONG} {{otp}}"},
    "prompt": {"text": "{otp}", "gate": True, "prompt": TOO_LONG},
}


@pytest.mark.parametrize("text", UNSPEAKABLE.values(), ids=[*UNSPEAKABLE])
def test_text_that_a_company_cannot_speak_costs_its_own_client_the_route_only(
    start: Start, phones: SandboxPhones, abroad: RunningSandbox, text: dict[str, Any]
) -> None:
    """Its call follows on the next route, and the calls of others are placed by this one."""
    own = {"CLIENTS_BANK_TEXTS": json.dumps({"default": text})}
    settings = {**NO_REGIONS, "DIALER_ROUTES": "abroad,home", **own}
    harness = start(settings, settings)
    begun = harness.create(ASHA, client="bank")
    with capture_logs() as logged:
        assert dial_all(harness, begun) == [
            ("abroad", CallStatus.FAILED),
            ("home", CallStatus.PLACED),
        ]
    other = harness.create(AMERICAN)
    assert dial_all(harness, other) == [("abroad", CallStatus.PLACED)]
    assert requests(phones, abroad) == ["obd", "twiml"]
    (line,) = [each for each in logged if each["event"] == "call.undialable"]
    assert "more than 4000 characters" in line["reason"]


def test_answered_call_whose_speech_is_never_fetched_was_not_heard(
    start: Start, abroad: RunningSandbox, store: RedisStore
) -> None:
    """The dialer knows that Plivo fetches what a call speaks; the duration means nothing."""
    SandboxPhones(abroad.url).set_behaviour(ASHA, "by_hand")
    company = {name.removeprefix("OTPVOICE_"): text for name, text in plivo(abroad.url).items()}
    own = {**company, "ROUTES_AFAR_PROVIDER": "plivo", "DIALER_ROUTES": "afar"}
    harness = start(own, own)
    begun = harness.create(ASHA, code="4711")
    assert harness.dial_next()
    (call,) = harness.calls_of(begun)
    assert (call.route, call.status) == ("afar", CallStatus.PLACED)
    store.apply_report(
        CallUpdate(
            fingerprint="x", call_id=call.id, status=CallStatus.ANSWERED, raw="x", duration_s=60
        )
    )
    assert harness.calls_of(begun)[0].heard is False
