"""Create, fetch, update and check by SID, as Twilio Verify answers."""

from typing import Any

import pytest
from api.api_client import ManualDialer, StartApi
from api.twilio_verify.twilio_client import (
    ACCOUNT,
    CHECK,
    DATE,
    SERVICE,
    UNKNOWN_SID,
    VERIFICATIONS,
    TwilioClient,
    assert_error,
)
from support.service import ASHA

from otpvoice.store.redis_store import RedisStore

CODE = "471102"
WRONG = "999999"


def hear(dialer: ManualDialer) -> str:
    """Place the due call and return the code that it speaks."""
    _, code, _ = dialer.decrypt(dialer.place())
    return code


def test_create_returns_a_pending_verification(twilio: TwilioClient) -> None:
    """With every member of Twilio's resource, and the names that the caller uses."""
    created = twilio.create()
    assert created.pop("sid").startswith("VE")
    assert all(DATE.fullmatch(created.pop(name)) for name in ("date_created", "date_updated"))
    (attempt,) = created.pop("send_code_attempts")
    assert attempt["attempt_sid"].startswith("VL")
    assert len(attempt["attempt_sid"]) == 34
    assert DATE.fullmatch(attempt["time"])
    assert attempt["channel"] == "CALL"
    assert created.pop("url").startswith(f"https://otp.example.com{VERIFICATIONS}/VE")
    assert created == {
        "service_sid": SERVICE,
        "account_sid": ACCOUNT,
        "to": ASHA,
        "channel": "call",
        "status": "pending",
        "valid": False,
        "lookup": {},
        "amount": None,
        "payee": None,
        "sna": None,
    }


def test_repeated_create_returns_the_same_sid(twilio: TwilioClient) -> None:
    """No second call is added while one is in progress."""
    first, second = twilio.create(), twilio.create()
    assert first["sid"] == second["sid"]
    assert first["send_code_attempts"] == second["send_code_attempts"]


def test_create_after_a_call_adds_an_attempt(
    twilio: TwilioClient, dialer: ManualDialer, store: RedisStore
) -> None:
    """When the first call is no longer live, and its gap is over."""
    first = twilio.create()
    dialer.place()
    store.clock_offset_ms += 200_000
    store.sweep("a dialer")
    second = twilio.create()
    assert second["sid"] == first["sid"]
    before, after = first["send_code_attempts"], second["send_code_attempts"]
    assert [each["attempt_sid"] for each in after[:-1]] == [each["attempt_sid"] for each in before]
    assert len(after) == 2
    assert after[1]["time"] > after[0]["time"]


def test_create_passes_all_parameters_on(twilio: TwilioClient, dialer: ManualDialer) -> None:
    """The call speaks the caller's code and name, in the language."""
    twilio.create(CustomCode=CODE, CustomFriendlyName="Asha", Locale="hi", DeviceIp="203.0.113.9")
    claim = dialer.place()
    assert dialer.decrypt(claim) == (ASHA, CODE, "Asha")
    assert claim.locale == "hi"


def test_unknown_and_empty_parameters_are_ignored(twilio: TwilioClient) -> None:
    """Among them those of other channels."""
    twilio.create(
        Locale="",
        CustomCode="",
        Amount="",
        SendDigits="wwww1928",
        RateLimits='{"ip":"1"}',
        Tags="{}",
        AppHash="a",
        TemplateSid="HJ" + "0" * 32,
    )


def test_channel_is_matched_without_case(twilio: TwilioClient) -> None:
    """Twilio's own attempts write it in capitals."""
    assert twilio.post(VERIFICATIONS, To=ASHA, Channel="CALL").status_code == 201


def test_correct_code_is_accepted_once(twilio: TwilioClient, dialer: ManualDialer) -> None:
    """``approved``; then the verification is gone, as at Twilio."""
    created = twilio.create()
    code = hear(dialer)
    response = twilio.check(created, code)
    assert response.status_code == 200
    checked = response.get_json()
    assert all(DATE.fullmatch(checked.pop(name)) for name in ("date_created", "date_updated"))
    assert checked == {
        "sid": created["sid"],
        "service_sid": SERVICE,
        "account_sid": ACCOUNT,
        "to": ASHA,
        "channel": "call",
        "status": "approved",
        "valid": True,
        "amount": None,
        "payee": None,
        "sna_attempts_error_codes": [],
    }
    assert_error(twilio.check(created, code), 404, 20404)
    assert_error(twilio.fetch(created["sid"]), 404, 20404)


def checks_left(store: RedisStore, verification: dict[str, Any]) -> int:
    """Return how many wrong codes are left."""
    found = store.get(verification["sid"].replace("VE", "vrf_"), "login").verification
    assert found
    return found.checks_left


def is_pending(response: Any) -> bool:
    """Return whether a code was not accepted and the verification goes on."""
    body = response.get_json()
    return (response.status_code, body["status"], body["valid"]) == (200, "pending", False)


def test_sixth_wrong_code_is_429(twilio: TwilioClient) -> None:
    """Five are answered ``pending``, and each costs a check."""
    created = twilio.create(CustomCode=CODE)
    for n in range(5):
        assert is_pending(twilio.check(created, f"99999{n}"))
    error = assert_error(twilio.check(created, CODE), 429, 60202)
    assert error["message"] == "Max check attempts reached"
    assert_error(twilio.fetch(created["sid"]), 404, 20404)
    assert_error(twilio.update(created["sid"], "canceled"), 404, 20404)


@pytest.mark.parametrize("code", ["4711", "4711020", "१२३४५६", "abcdef", "47110x", "471102\0"])
def test_code_that_cannot_be_right_costs_nothing(
    twilio: TwilioClient, store: RedisStore, code: str
) -> None:
    """It has another length or is not digits: ``pending``."""
    created = twilio.create(CustomCode=CODE)
    assert is_pending(twilio.check(created, code))
    assert checks_left(store, created) == 5
    assert is_pending(twilio.check(created, WRONG))
    assert checks_left(store, created) == 4


def test_code_before_the_call_costs_nothing(twilio: TwilioClient, store: RedisStore) -> None:
    """Nobody can know a generated code yet."""
    created = twilio.create()
    assert is_pending(twilio.check(created, CODE))
    assert checks_left(store, created) == 5


def test_fetch_returns_the_verification(twilio: TwilioClient, dialer: ManualDialer) -> None:
    """With a call that was sent."""
    created = twilio.create()
    hear(dialer)
    fetched = twilio.fetch(created["sid"])
    assert fetched.status_code == 200
    shown = fetched.get_json()
    changing = {"date_updated", "send_code_attempts"}
    assert {k: v for k, v in shown.items() if k not in changing} == {
        k: v for k, v in created.items() if k not in changing
    }
    assert len(shown["send_code_attempts"]) == 1


@pytest.mark.parametrize(("status", "valid"), [("canceled", False), ("approved", True)])
def test_update_ends_the_verification(twilio: TwilioClient, status: str, valid: bool) -> None:
    """The next create begins another one."""
    created = twilio.create()
    updated = twilio.update(created["sid"], status)
    assert updated.status_code == 200
    assert (updated.get_json()["status"], updated.get_json()["valid"]) == (status, valid)
    assert_error(twilio.fetch(created["sid"]), 404, 20404)
    assert_error(twilio.check(created, CODE), 404, 20404)
    other = {"canceled": "approved", "approved": "canceled"}[status]
    assert_error(twilio.update(created["sid"], other), 404, 20404)
    assert twilio.create()["sid"] != created["sid"]


@pytest.mark.parametrize(
    "sid",
    [
        UNKNOWN_SID,
        "VE",
        "VE" + "g" * 32,
        "VE" + "A" * 32,
        "ve" + "0" * 32,
        UNKNOWN_SID + "0",
        "vrf_" + "0" * 32,
        "%00",
        "%FF",
        "VE%0A",
        "१",
        "a" * 900,
    ],
)
def test_unknown_sid_is_404(twilio: TwilioClient, sid: str) -> None:
    """Whatever it looks like."""
    assert_error(twilio.fetch(sid), 404, 20404)
    assert_error(twilio.update(sid, "canceled"), 404, 20404)
    assert_error(twilio.post(CHECK, VerificationSid=sid, Code=CODE), 404, 20404)


def test_other_clients_verification_is_404(twilio: TwilioClient) -> None:
    """Exactly like an unknown one."""
    created, bank = twilio.create(CustomCode=CODE), twilio.as_bank()
    assert_error(bank.fetch(created["sid"]), 404, 20404)
    assert_error(bank.update(created["sid"], "approved"), 404, 20404)
    assert_error(bank.check(created, CODE), 404, 20404)
    assert twilio.check(created, CODE).get_json()["valid"] is True


def test_expired_verification_is_404(twilio: TwilioClient, store: RedisStore) -> None:
    """After the code's life."""
    created = twilio.create(CustomCode=CODE)
    store.clock_offset_ms += 301_000
    assert_error(twilio.check(created, CODE), 404, 20404)
    assert_error(twilio.fetch(created["sid"]), 404, 20404)


def test_requests_are_counted_as_those_of_the_native_api(start_api: StartApi) -> None:
    """By client and outcome; responses by route."""
    twilio = TwilioClient(start_api(twilio_verify_enabled="true").app)
    created = twilio.create(CustomCode=CODE)
    twilio.create(CustomCode=CODE)
    twilio.check(created, WRONG)
    twilio.post(VERIFICATIONS, To="+12125550123", Channel="call")
    metrics = twilio.app.test_client().get("/metrics").text
    route = "/twilio/v2/Services/<service>/Verifications"
    for sample in (
        'otpvoice_creates_total{client="login",outcome="created"} 1.0',
        'otpvoice_creates_total{client="login",outcome="existing"} 1.0',
        'otpvoice_creates_total{client="login",outcome="number_not_allowed"} 1.0',
        'otpvoice_checks_total{client="login",outcome="wrong"} 1.0',
        f'otpvoice_http_requests_total{{route="{route}",status="201"}} 2.0',
        f'otpvoice_http_requests_total{{route="{route}",status="403"}} 1.0',
    ):
        assert sample in metrics, sample
