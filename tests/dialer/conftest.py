"""A dialer with all its real parts: store, adapter, and the sandbox over a real socket."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from support.service import ClientAndDialer, SandboxPhones

from otpvoice.container import create_dialer
from otpvoice.core.keys import KeyRing, NumberHasher
from otpvoice.core.phone import NumberRules
from otpvoice.core.profiles import ClientProfile, CodePolicy
from otpvoice.core.service import Verifications
from otpvoice.core.speech import Flow
from otpvoice.dialer.dialer import Dialer
from otpvoice.settings import Settings, load
from otpvoice.store.redis_store import RedisStore
from otpvoice_sandbox import RunningSandbox, SandboxConfig


@pytest.fixture
def sandbox(settings: Settings) -> Iterator[RunningSandbox]:
    """Run the sandbox with short calls."""
    config = SandboxConfig(
        token=settings.provider.token,
        flows={"24": "Hello {Name}, your otp for login is {otp}", "25": "नमस्ते {Name} {otp}"},
        ring_seconds=0.02,
        talk_seconds=0.02,
    )
    with RunningSandbox(config) as running:
        yield running


@pytest.fixture
def phones(sandbox: RunningSandbox) -> SandboxPhones:
    """Its phones."""
    return SandboxPhones(sandbox.url)


@pytest.fixture
def make_dialer(
    environ: dict[str, str], sandbox: RunningSandbox, store: RedisStore
) -> Callable[..., Dialer]:
    """Return a factory of dialers that takes further variables."""
    store.sweep("a dialer that was heard of")

    def make(**changes: str) -> Dialer:
        chosen = environ | {"OTPVOICE_PROVIDER_BASE_URL": sandbox.api_url} | changes
        return create_dialer(load(chosen).settings, store)

    return make


@pytest.fixture
def service(store: RedisStore, settings: Settings) -> Verifications:
    """Create the use cases for several clients."""
    profile = ClientProfile(
        number_rules=NumberRules(["IN"], ["mobile"]),
        lines=settings.provider.lines(),
        default_name="Customer",
        flows={"default": Flow("24"), "hi": Flow("25")},
        ttl_s=300,
    )
    return Verifications(
        store=store,
        ring=KeyRing([named.key for named in settings.secrets.keys]),
        number_hasher=NumberHasher(settings.secrets.number_key),
        profiles={"login": profile, "bank": replace(profile, default_name="Patron")},
        routes=("obd", "c2c"),
        policy=CodePolicy(code_length=6, max_checks=5, min_remaining_life_s=60, retention_s=604800),
    )


@pytest.fixture
def harness(
    service: Verifications, store: RedisStore, make_dialer: Callable[..., Dialer]
) -> ClientAndDialer:
    """Create a client and a dialer."""
    return ClientAndDialer(service, store, make_dialer())
