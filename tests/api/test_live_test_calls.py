"""Callbacks of live test calls are captured and encrypted, without their credentials."""

import base64

import pytest
from api.api_client import WEBHOOK, ApiClient, ManualDialer, bearer
from redis import Redis
from support.service import ASHA, BRIDGE, PATH_TOKEN, RING_KEY, WEBHOOK_SECRET

from otpvoice.container import Container
from otpvoice.core.keys import KeyRing
from otpvoice.core.requests import CreateRequest
from otpvoice.core.verification import Call
from otpvoice.providers.exchange_capture import CapturedCallback, ExchangeCapture
from otpvoice.settings import Settings

RING = KeyRing([base64.b64decode(RING_KEY)])


@pytest.fixture
def call(api: ApiClient, dialer: ManualDialer, settings: Settings) -> Call:
    """Return a live test call that the provider accepted."""
    begun = Container(settings, api.store).service.create_live_test("login", CreateRequest(ASHA))
    dialer.place(provider_id="their-id")
    return begun.calls[0]


def captured(api: ApiClient, call: Call) -> list[CapturedCallback]:
    """Return the captured callbacks."""
    kept = [each for _, each in ExchangeCapture(api.store, RING).load(call.id)]
    return [each for each in kept if isinstance(each, CapturedCallback)]


def test_callback_of_a_live_test_call_is_captured(api: ApiClient, call: Call) -> None:
    """Method, type, scheme, query and body, with the outcome."""
    members = {"mid": "their-id", "status": "ANSWER", "to": int(ASHA[1:])}
    assert api.send_callback(**members).status_code == 200
    (only,) = captured(api, call)
    assert (only.method, only.content_type, only.scheme) == ("POST", "application/json", "Bearer")
    assert (only.has_path_token, only.query, only.outcome) == (False, "", "applied")
    assert ASHA[1:].encode() in only.body
    assert "authorization" in only.headers
    assert WEBHOOK_SECRET not in _all_of(only)


def test_captured_callback_hides_the_path_token(api: ApiClient, call: Call) -> None:
    """It records that there was one."""
    url = f"{WEBHOOK}/{PATH_TOKEN}?id=their-id&status=BUSY"
    assert api.client.get(url).status_code == 200
    (only,) = captured(api, call)
    assert (only.method, only.scheme, only.has_path_token) == ("GET", "", True)
    assert only.query == "id=their-id&status=BUSY"
    assert PATH_TOKEN not in _all_of(only)


def test_callback_with_wrong_time_zone_is_captured(api: ApiClient, call: Call) -> None:
    """It matches no call because of its time, which the diagnostics must show."""
    members = {"bridge": BRIDGE, "to": ASHA, "start_at": "2001-01-01 00:00:00", "status": "ANSWER"}
    assert api.send_callback(**members).status_code == 200
    assert [each.outcome for each in captured(api, call)] == ["clock"]


def test_other_callbacks_are_not_captured(
    api: ApiClient, dialer: ManualDialer, redis: Redis
) -> None:
    """Neither another call's nor an unauthenticated one."""
    api.create()
    dialer.place(provider_id="their-id")
    assert api.send_callback(id="their-id", status="ANSWER").status_code == 200
    assert api.client.post(WEBHOOK, json={"id": "x"}, headers=bearer("x")).status_code == 401
    assert [*redis.scan_iter("*:captured:*")] == []


def test_client_cannot_create_a_live_test_call(api: ApiClient) -> None:
    """The request body has no such member."""
    assert api.create_response(trial=True).status_code == 422
    assert api.create_response(is_trial=True).status_code == 422


def _all_of(callback: CapturedCallback) -> str:
    return "".join(str(getattr(callback, name)) for name in callback.__struct_fields__)
