"""Check, fetch and update by number, as most code for Twilio Verify does."""

import pytest
from api.api_client import ManualDialer
from api.twilio_verify.twilio_client import (
    CHECK,
    UNKNOWN_SID,
    VERIFICATIONS,
    TwilioClient,
    assert_error,
)
from support.service import ASHA

from otpvoice.store.redis_store import RedisStore

CODE = "471102"
RAVI = "+919876543211"


def test_correct_code_is_accepted_once(twilio: TwilioClient, dialer: ManualDialer) -> None:
    """``approved``; then the verification is gone."""
    created = twilio.create()
    _, code, _ = dialer.decrypt(dialer.place())
    checked = twilio.check_number(ASHA, code).get_json()
    assert (checked["sid"], checked["status"], checked["valid"]) == (
        created["sid"],
        "approved",
        True,
    )
    assert_error(twilio.check_number(ASHA, code), 404, 20404)
    assert_error(twilio.fetch(ASHA), 404, 20404)


def test_sixth_wrong_code_is_429(twilio: TwilioClient) -> None:
    """Wrong codes by SID and by number are counted together."""
    created = twilio.create(CustomCode=CODE)
    for n in range(5):
        wrong = f"99999{n}"
        response = twilio.check_number(ASHA, wrong) if n % 2 else twilio.check(created, wrong)
        assert response.get_json()["status"] == "pending"
    error = assert_error(twilio.check_number(ASHA, CODE), 429, 60202)
    assert error["message"] == "Max check attempts reached"


@pytest.mark.parametrize("code", ["4711", "abcdef", "१२३४५६"])
def test_code_that_cannot_be_right_costs_nothing(
    twilio: TwilioClient, store: RedisStore, code: str
) -> None:
    """As by SID."""
    created = twilio.create(CustomCode=CODE)
    assert twilio.check_number(ASHA, code).get_json()["status"] == "pending"
    found = store.get(created["sid"].replace("VE", "vrf_"), "login").verification
    assert found
    assert found.checks_left == 5


@pytest.mark.parametrize("number", [ASHA, ASHA.replace("+", "%2B")])
@pytest.mark.parametrize("status", ["canceled", "approved"])
def test_fetch_and_update(twilio: TwilioClient, number: str, status: str) -> None:
    """The plus sign may be escaped."""
    created = twilio.create()
    assert twilio.fetch(number).get_json()["sid"] == created["sid"]
    updated = twilio.update(number, status)
    assert (updated.status_code, updated.get_json()["status"]) == (200, status)
    assert_error(twilio.fetch(number), 404, 20404)
    other = {"canceled": "approved", "approved": "canceled"}[status]
    assert_error(twilio.update(number, other), 404, 20404)


def test_newest_verification_is_meant(twilio: TwilioClient) -> None:
    """After one that ended."""
    first = twilio.create(CustomCode=CODE)
    twilio.update(first["sid"], "canceled")
    second = twilio.create(CustomCode="471103")
    assert twilio.fetch(ASHA).get_json()["sid"] == second["sid"] != first["sid"]
    assert twilio.check_number(ASHA, CODE).get_json()["valid"] is False
    assert twilio.check_number(ASHA, "471103").get_json()["valid"] is True


@pytest.mark.parametrize("number", [RAVI, "+910000000000", "+999", "+", "+1", "+91a", "+" * 300])
def test_number_without_verification_is_404(twilio: TwilioClient, number: str) -> None:
    """Also one that does not exist."""
    twilio.create()
    assert_error(twilio.fetch(number), 404, 20404)
    assert_error(twilio.update(number, "canceled"), 404, 20404)


def test_other_clients_number_is_404(twilio: TwilioClient) -> None:
    """Verifications of one number by two clients are separate."""
    twilio.create(CustomCode=CODE)
    bank = twilio.as_bank()
    assert_error(bank.fetch(ASHA), 404, 20404)
    assert_error(bank.check_number(ASHA, CODE), 404, 20404)
    assert_error(bank.update(ASHA, "approved"), 404, 20404)
    bank.create(CustomCode="471103")
    assert bank.check_number(ASHA, CODE).get_json()["valid"] is False
    assert twilio.check_number(ASHA, CODE).get_json()["valid"] is True


@pytest.mark.parametrize("number", ["", "919876543210", " 919876543210", "+910000000000"])
def test_check_of_no_number_is_60200(twilio: TwilioClient, number: str) -> None:
    """A check without number and SID, too."""
    error = assert_error(twilio.check_number(number, CODE), 400, 60200)
    parameter = "To" if number else "VerificationSid"
    assert error["message"].startswith(f"Invalid parameter `{parameter}`: ")


def test_sid_of_another_number_is_404(twilio: TwilioClient) -> None:
    """With both parameters, a stranger's own verification cannot prove another number."""
    mine = twilio.create(RAVI, CustomCode=CODE)
    form = {"VerificationSid": mine["sid"], "Code": CODE}
    assert_error(twilio.post(CHECK, To=ASHA, **form), 404, 20404)
    assert twilio.post(CHECK, To=RAVI, **form).get_json()["valid"] is True
    assert_error(twilio.post(CHECK, To=RAVI, VerificationSid=UNKNOWN_SID, Code=CODE), 404, 20404)


@pytest.mark.usefixtures("bound_log_fields")
def test_number_in_a_path_is_in_no_log(
    twilio: TwilioClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether the path exists or not. The log has the masked number and the route."""
    twilio.create()
    for path in (
        f"{VERIFICATIONS}/{ASHA}",
        f"{VERIFICATIONS}/{ASHA}/",
        f"/twilio/{ASHA}",
        f"{VERIFICATIONS}/%2B919876543210",
        f"/twilio/v2/Attempts?ChannelData.To={ASHA}",
    ):
        twilio.get(path)
    log = capsys.readouterr().out
    assert log.count("route=") == 6
    assert "/twilio/v2/Services/<service>/Verifications/<sid>" in log
    assert "+91******3210" in log
    assert "9876543210" not in log
