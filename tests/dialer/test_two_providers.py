"""Failover between two telephone companies, each a sandbox of its own over a real socket."""

from collections.abc import Iterator

import pytest
from support.service import ASHA, ClientAndDialer, SandboxPhones

from otpvoice.container import Container, create_dialer
from otpvoice.core.verification import CallStatus
from otpvoice.settings import Settings, load
from otpvoice.store.redis_store import RedisStore
from otpvoice_sandbox import RunningSandbox, SandboxConfig

OTHER_LINE = "918068280009"


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
