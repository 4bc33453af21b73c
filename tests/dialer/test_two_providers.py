"""Failover between two telephone companies, each a sandbox of its own over a real socket."""

from collections.abc import Iterator

import pytest
from support.service import ASHA, ClientAndDialer, SandboxPhones

from otpvoice.container import Container, create_dialer
from otpvoice.core.errors import CallsUnavailable, InvalidRequest, NumberNotAllowed
from otpvoice.core.verification import CallStatus
from otpvoice.providers.mobtexting.settings import MobtextingSettings
from otpvoice.settings import Settings, load
from otpvoice.store.redis_store import RedisStore
from otpvoice_sandbox import RunningSandbox, SandboxConfig

OTHER_LINE = "918068280009"
AMERICAN = "+12125550123"


@pytest.fixture
def second() -> Iterator[RunningSandbox]:
    """Run the second company."""
    config = SandboxConfig(
        token="token-of-the-second",
        flows={"7": "Second: {otp}", "8": "दूसरा {otp}"},
        ring_seconds=0.02,
        talk_seconds=0.02,
    )
    with RunningSandbox(config) as running:
        yield running


@pytest.fixture
def settings_of_two(
    environ: dict[str, str], sandbox: RunningSandbox, second: RunningSandbox
) -> Settings:
    """Return settings with both companies, the second one without click-to-call."""
    own = {
        "KIND": "mobtexting",
        "BASE_URL": second.api_url,
        "TOKEN": "token-of-the-second",
        "BRIDGE": OTHER_LINE,
        "FLOWS": "default=7,hi=8",
        "WEBHOOK_SECRET": "hook-of-the-second",
    }
    chosen = {f"OTPVOICE_PROVIDERS_SECOND_{name}": value for name, value in own.items()}
    return load(
        environ
        | chosen
        | {
            "OTPVOICE_PROVIDER_BASE_URL": sandbox.api_url,
            "OTPVOICE_DIALER_ROUTES": "obd,second",
            "OTPVOICE_LIMITS_CALL_GAP": "0",
        }
    ).settings


@pytest.fixture
def harness(settings_of_two: Settings, store: RedisStore) -> ClientAndDialer:
    """Create a client and a dialer with both companies."""
    parts = Container(settings_of_two)
    own = RedisStore(store.redis, policy=parts.policy)
    own.sweep("a dialer that was heard of")
    parts = Container(settings_of_two, own)
    return ClientAndDialer(parts.service, own, create_dialer(settings_of_two, own))


def test_refused_call_follows_at_the_other_provider(
    harness: ClientAndDialer, phones: SandboxPhones, second: RunningSandbox
) -> None:
    """With that provider's line, its flow in the same language, and the same code."""
    phones.set_behaviour(ASHA, "out_of_credit")
    begun = harness.create(locale="hi")
    assert harness.dial_next()
    assert harness.dial_next()
    refused, placed = harness.calls_of(begun)
    assert (refused.route, refused.status) == ("obd", CallStatus.FAILED)
    assert (placed.route, placed.status) == ("second", CallStatus.PLACED)
    assert (placed.bridge, placed.caller_id) == (OTHER_LINE, f"+{OTHER_LINE}")
    company = second.state
    assert company.wait_until(lambda: all(call.ended_at for call in company.calls), 3)
    (rung,) = SandboxPhones(second.url).calls(ASHA)
    assert rung["bridge"] == OTHER_LINE
    assert rung["spoken"].startswith("दूसरा")
    assert phones.calls(ASHA) == []


def test_call_after_one_of_the_other_provider_has_the_own_line_again(
    harness: ClientAndDialer, phones: SandboxPhones, second: RunningSandbox, settings: Settings
) -> None:
    """The client's line is with the first provider."""
    other = SandboxPhones(second.url)
    other.set_behaviour(ASHA, "out_of_credit")
    begun = harness.create(route="second")
    assert harness.dial_next()
    assert harness.dial_next()
    refused, placed = harness.calls_of(begun)
    assert (refused.route, refused.bridge) == ("second", settings.provider.bridge)
    assert (placed.route, placed.status) == ("obd", CallStatus.PLACED)
    assert placed.bridge == settings.provider.bridge
    assert len(phones.calls(ASHA)) == 1


def test_number_rings_at_one_provider_at_a_time(
    harness: ClientAndDialer, settings_of_two: Settings
) -> None:
    """Two clients, two lines, one phone."""
    first = harness.create(route="obd")
    assert harness.dial_next()
    harness.create(route="second", client="bank")
    assert not harness.dial_next()
    assert harness.calls_of(first)[0].status is CallStatus.PLACED
    assert settings_of_two.dialer.routes == ("obd", "second")


@pytest.fixture
def by_region(
    settings_of_two: Settings, environ: dict[str, str], store: RedisStore
) -> ClientAndDialer:
    """Create a client and a dialer whose second company calls numbers of the US only."""
    second = settings_of_two.providers["second"]
    assert isinstance(second, MobtextingSettings)
    own = {
        "PROVIDERS_SECOND_KIND": "mobtexting",
        "PROVIDERS_SECOND_BASE_URL": second.base_url,
        "PROVIDERS_SECOND_TOKEN": second.token,
        "PROVIDERS_SECOND_BRIDGE": second.bridge,
        "PROVIDERS_SECOND_FLOWS": "default=7",
        "PROVIDERS_SECOND_WEBHOOK_SECRET": "hook-of-the-second",
        "PROVIDER_BASE_URL": settings_of_two.provider.base_url,
        "ROUTES_HOME_PROVIDER": "mobtexting",
        "ROUTES_HOME_MODE": "obd",
        "ROUTES_HOME_REGIONS": "IN",
        "ROUTES_ABROAD_PROVIDER": "second",
        "ROUTES_ABROAD_REGIONS": "US",
        "DIALER_ROUTES": "home,abroad",
        "LIMITS_REGIONS": "IN,US,GB",
        "LIMITS_CALL_GAP": "0",
    }
    chosen = load(environ | {f"OTPVOICE_{name}": value for name, value in own.items()}).settings
    own_store = RedisStore(store.redis, policy=Container(chosen).policy)
    own_store.sweep("a dialer that was heard of")
    parts = Container(chosen, own_store)
    return ClientAndDialer(parts.service, own_store, create_dialer(chosen, own_store))


def test_region_of_the_number_chooses_the_route(by_region: ClientAndDialer) -> None:
    """Whatever the order."""
    abroad, home = by_region.create(AMERICAN), by_region.create(ASHA)
    assert by_region.dial_next()
    assert by_region.dial_next()
    assert [call.route for call in by_region.calls_of(abroad)] == ["abroad"]
    assert [call.route for call in by_region.calls_of(home)] == ["home"]
    for begun in (abroad, home):
        assert by_region.calls_of(begun)[0].status is CallStatus.PLACED


def test_refused_call_does_not_follow_on_a_route_of_another_region(
    by_region: ClientAndDialer, phones: SandboxPhones
) -> None:
    """It ends instead."""
    phones.set_behaviour(ASHA, "out_of_credit")
    begun = by_region.create()
    assert by_region.dial_next()
    assert not by_region.dial_next()
    (call,) = by_region.calls_of(begun)
    assert (call.route, call.status) == ("home", CallStatus.FAILED)


def test_route_of_another_region_is_refused(by_region: ClientAndDialer) -> None:
    """As is a number that no route calls."""
    with pytest.raises(InvalidRequest, match='must be "home", for a number of this region'):
        by_region.create(route="abroad")
    with pytest.raises(NumberNotAllowed, match="No route calls numbers of GB"):
        by_region.create("+447400123456")


def test_closed_route_of_the_region_accepts_no_call_for_it(
    by_region: ClientAndDialer, phones: SandboxPhones
) -> None:
    """Although the route of another region is open."""
    phones.set_behaviour(ASHA, "error_401")
    by_region.create()
    assert by_region.dial_next()
    with pytest.raises(CallsUnavailable):
        by_region.create("+919812345607")
    by_region.create(AMERICAN)
