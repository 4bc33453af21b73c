"""A dialer whose settings differ from the API's: it places the call, or the call ends with a
reason.
"""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs
from support.service import ASHA, RING_KEY, ClientAndDialer, SandboxPhones

from otpvoice.core.requests import CallRequest
from otpvoice.core.service import Verifications
from otpvoice.core.verification import CallReason, CallStatus, Verification
from otpvoice.dialer.dialer import Dialer
from otpvoice.settings import Settings
from otpvoice.store.redis_store import RedisStore

OTHER_KEY = base64.b64encode(b"another ring key of these tests!").decode()
CALL = "{otpvoice}:call:"
NO_GAP = {"OTPVOICE_LIMITS_CALL_GAP": "0"}


@pytest.fixture
def old_dialer_of(
    environ: dict[str, str],
    settings: Settings,
    make_dialer: Callable[..., Dialer],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Dialer]:
    """Return a factory of dialers whose settings lack the client ``bank``."""
    assert "bank" in settings.clients
    monkeypatch.delitem(environ, "OTPVOICE_CLIENTS_BANK_KEY_SHA256")
    return make_dialer


@pytest.fixture
def old_desk(
    service: Verifications, store: RedisStore, old_dialer_of: Callable[..., Dialer]
) -> ClientAndDialer:
    """Create a service that knows the client ``bank``, and a dialer that does not."""
    return ClientAndDialer(service, store, old_dialer_of(**NO_GAP))


def desk_with(service: Verifications, store: RedisStore, dialer: Dialer) -> ClientAndDialer:
    """Create a client, and a dialer with its own settings."""
    return ClientAndDialer(service, store, dialer)


def flow_of(phones: SandboxPhones) -> str:
    """Return the flow that the only provider request names."""
    (request,) = phones.ledger()
    found = request["request"]
    return str(found.get("flow_id", found["to"])).removeprefix("flow:")


def assert_undialable(
    harness: ClientAndDialer, store: RedisStore, begun: Verification, *, calls: int
) -> None:
    """One try, one line of the log at level error, shown to operators, and nothing loops."""
    with capture_logs() as logged:
        assert harness.dial_next()
    (line,) = [each for each in logged if each["event"] == "call.undialable"]
    assert (line["log_level"], line["call"]) == ("error", harness.calls_of(begun)[0].id)
    found = harness.calls_of(begun)
    assert len(found) == calls
    assert (found[0].status, found[0].reason) == (CallStatus.FAILED, CallReason.PROVIDER_ERROR)
    shown = store.health().quarantine
    assert [each.record for each in shown.calls] == [f"call:{found[0].id}"]
    assert shown.undialable == 1
    store.clock_offset_ms += 40_000
    store.sweep("dialer")
    assert harness.calls_of(begun)[0].status is CallStatus.FAILED


def test_call_of_unknown_client_uses_the_recorded_flow(
    old_desk: ClientAndDialer, phones: SandboxPhones
) -> None:
    """In the language that the client requested."""
    begun = old_desk.create(client="bank", locale="hi")
    assert old_desk.dial_next()
    (call,) = old_desk.calls_of(begun)
    assert call.status is CallStatus.PLACED
    assert flow_of(phones) == "25"


def test_call_on_the_next_route_keeps_the_flow(
    old_desk: ClientAndDialer, redis: Redis, phones: SandboxPhones
) -> None:
    """As the first call did."""
    phones.set_behaviour(ASHA, "out_of_credit")
    begun = old_desk.create(client="bank", locale="hi")
    assert old_desk.dial_next()
    calls = old_desk.calls_of(begun)
    flows = [redis.hget(f"{CALL}{call.id}", "flow") for call in calls]
    assert {*flows} == {b"25"}
    assert [call.route for call in calls] == ["obd", "c2c"]


def test_further_call_has_the_flow_of_its_locale(
    service: Verifications, old_desk: ClientAndDialer, redis: Redis
) -> None:
    """Without a locale it has the verification's."""
    begun = old_desk.create(client="bank", locale="hi", call_after=100)
    (call,) = begun.calls
    service.request_call("bank", begun.id, CallRequest())
    assert redis.hmget(f"{CALL}{call.id}", "locale", "flow") == [b"hi", b"25"]
    later = old_desk.create("+919812345678", client="bank", call_after=100)
    service.request_call("bank", later.id, CallRequest(locale="hi"))
    assert redis.hmget(f"{CALL}{later.calls[0].id}", "locale", "flow") == [b"hi", b"25"]


def test_heard_is_null_for_a_flow_without_known_text(
    old_desk: ClientAndDialer, redis: Redis
) -> None:
    """Records do not store texts."""
    begun = old_desk.create(client="bank")
    assert old_desk.dial_next()
    assert not redis.hexists(f"{CALL}{begun.calls[0].id}", "heard_after")


def test_text_of_a_flow_is_found_by_its_id(
    service: Verifications,
    store: RedisStore,
    old_dialer_of: Callable[..., Dialer],
    redis: Redis,
) -> None:
    """In the settings of another client."""
    dialer = old_dialer_of(
        OTPVOICE_PROVIDER_FLOWS="default=1",
        OTPVOICE_CLIENTS_LOGIN_FLOWS='{"default": {"id": "24", "text": "Your code is {otp}."}}',
    )
    harness = desk_with(service, store, dialer)
    begun = harness.create(client="bank")
    assert harness.dial_next()
    assert redis.hexists(f"{CALL}{begun.calls[0].id}", "heard_after")


def test_call_without_recorded_flow_uses_the_settings(
    harness: ClientAndDialer, redis: Redis, phones: SandboxPhones
) -> None:
    """An earlier release recorded none."""
    begun = harness.create(locale="hi")
    redis.hdel(f"{CALL}{begun.calls[0].id}", "flow")
    assert harness.dial_next()
    assert flow_of(phones) == "25"


def test_call_without_recorded_flow_of_unknown_client_speaks_the_common_flow(
    old_desk: ClientAndDialer, redis: Redis, phones: SandboxPhones
) -> None:
    """In its language."""
    begun = old_desk.create(client="bank", locale="hi")
    redis.hdel(f"{CALL}{begun.calls[0].id}", "flow")
    assert old_desk.dial_next()
    assert flow_of(phones) == "25"


def test_call_encrypted_with_unknown_key_fails(
    service: Verifications,
    store: RedisStore,
    old_dialer_of: Callable[..., Dialer],
    phones: SandboxPhones,
) -> None:
    """The API was deployed with a new key ring before the dialers."""
    harness = desk_with(service, store, old_dialer_of(OTPVOICE_SECRETS_KEYS=f"k2:{OTHER_KEY}"))
    begun = harness.create()
    assert_undialable(harness, store, begun, calls=1)
    assert phones.ledger() == []


def test_call_on_unknown_route_continues_on_a_known_one(
    harness: ClientAndDialer, store: RedisStore, redis: Redis, phones: SandboxPhones
) -> None:
    """A newer API chose a route that this dialer has no adapter for."""
    begun = harness.create(locale="hi")
    redis.hset(f"{CALL}{begun.calls[0].id}", "route", "sip")
    assert_undialable(harness, store, begun, calls=2)
    assert harness.calls_of(begun)[1].route == "obd"
    assert harness.dial_next()
    assert harness.calls_of(begun)[1].status is CallStatus.PLACED
    assert flow_of(phones) == "25"


@pytest.mark.parametrize(
    "changes",
    [
        {"OTPVOICE_PROVIDER_ROUTES": "obd"},
        {"OTPVOICE_PROVIDER_FLOWS": "default=99"},
        {
            "OTPVOICE_PROVIDER_BRIDGE": "918068289999",
            "OTPVOICE_PROVIDER_CALLER_ID": "+918068289999",
        },
        {"OTPVOICE_PROVIDER_DEFAULT_NAME": "Nobody"},
        {"OTPVOICE_SECRETS_KEYS": f"k2:{OTHER_KEY},k1:{RING_KEY}"},
        {"OTPVOICE_SECRETS_NUMBER_KEY": OTHER_KEY},
        {"OTPVOICE_LIMITS_REGIONS": "US"},
        {"OTPVOICE_LIMITS_CALLS_PER_CLIENT": "1/24h"},
        {"OTPVOICE_VERIFICATION_TTL": "60", "OTPVOICE_VERIFICATION_CODE_LENGTH": "4"},
        {"OTPVOICE_VERIFICATION_RETENTION": "600"},
        {"OTPVOICE_SERVER_PUBLIC_URL": "https://another.example.com"},
    ],
    ids=lambda changes: min(changes).removeprefix("OTPVOICE_"),
)
def test_call_follows_the_settings_of_the_api(
    service: Verifications,
    store: RedisStore,
    old_dialer_of: Callable[..., Dialer],
    phones: SandboxPhones,
    changes: dict[str, Any],
) -> None:
    """The dialer's own settings for it have no effect."""
    harness = desk_with(service, store, old_dialer_of(**changes))
    begun = harness.create(client="bank", route="c2c", locale="hi")
    assert harness.dial_next()
    (call,) = harness.calls_of(begun)
    assert (call.status, call.route, call.locale) == (CallStatus.PLACED, "c2c", "hi")
    assert flow_of(phones) == "25"
    assert begun.calls[0].bridge in str(phones.ledger())
