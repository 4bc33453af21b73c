"""``/v2/Attempts`` and its summary: the calls of one verification."""

from typing import Any
from urllib.parse import urlencode

import pytest
from api.api_client import ManualDialer
from api.twilio_verify.twilio_client import (
    ACCOUNT,
    ATTEMPTS,
    DATE,
    SERVICE,
    UNKNOWN_SID,
    TwilioClient,
    assert_error,
)
from support.service import ASHA

SUMMARY = f"{ATTEMPTS}/Summary"


@pytest.fixture
def approved(twilio: TwilioClient, dialer: ManualDialer) -> dict[str, Any]:
    """Return a verification that one call proved."""
    created = twilio.create()
    _, code, _ = dialer.decrypt(dialer.place())
    assert twilio.check(created, code).get_json()["valid"] is True
    return created


def listed(twilio: TwilioClient, **filters: str) -> list[dict[str, Any]]:
    """Return the attempts that pass; a filter's ``_`` is a dot."""
    query = urlencode({name.replace("_", "."): value for name, value in filters.items()})
    response = twilio.get(f"{ATTEMPTS}?{query}")
    assert response.status_code == 200, response.text
    page = response.get_json()
    assert page["meta"]["key"] == "attempts"
    assert page["meta"]["next_page_url"] is None
    assert page["meta"]["url"] == f"https://otp.example.com{ATTEMPTS}"
    attempts: list[dict[str, Any]] = page["attempts"]
    return attempts


def test_attempts_of_a_verification(twilio: TwilioClient, approved: dict[str, Any]) -> None:
    """By SID or number, also after its end."""
    by_sid = listed(twilio, VerificationSid=approved["sid"], VerifyServiceSid=SERVICE)
    (attempt,) = listed(twilio, ChannelData_To=ASHA, VerifyServiceSid=SERVICE)
    assert [attempt] == by_sid
    assert all(DATE.fullmatch(attempt.pop(name)) for name in ("date_created", "date_updated"))
    sid = attempt.pop("sid")
    assert sid == approved["send_code_attempts"][0]["attempt_sid"]
    assert attempt == {
        "account_sid": ACCOUNT,
        "service_sid": SERVICE,
        "verification_sid": approved["sid"],
        "conversion_status": "converted",
        "channel": "call",
        "price": None,
        "channel_data": {"to": ASHA, "country": "IN", "call_status": "placed"},
        "url": f"https://otp.example.com{ATTEMPTS}/{sid}",
    }


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"Channel": "call"}, 1),
        ({"Channel": "sms"}, 0),
        ({"Country": "IN"}, 1),
        ({"Country": "US"}, 0),
        ({"Status": "converted"}, 1),
        ({"Status": "unconverted"}, 0),
        ({"DateCreatedAfter": "2020-01-01T00:00:00Z"}, 1),
        ({"DateCreatedAfter": "2100-01-01T00:00:00"}, 0),
        ({"DateCreatedBefore": "2100-01-01T00:00:00+05:30"}, 1),
        ({"DateCreatedBefore": "0001-01-01T00:00:00+23:59"}, 0),
        ({"PageSize": "1", "Page": "0", "Other": "x"}, 1),
    ],
)
def test_filters(
    twilio: TwilioClient, approved: dict[str, Any], filters: dict[str, str], count: int
) -> None:
    """Each on its own."""
    assert len(listed(twilio, VerificationSid=approved["sid"], **filters)) == count


def test_summary(twilio: TwilioClient, approved: dict[str, Any]) -> None:
    """By SID, or by a prefix that is a whole number."""
    url = f"https://otp.example.com{SUMMARY}"
    for query in (f"VerificationSid={approved['sid']}", "DestinationPrefix=%2B919876543210"):
        assert twilio.get(f"{SUMMARY}?{query}").get_json() == {
            "total_attempts": 1,
            "total_converted": 1,
            "total_unconverted": 0,
            "conversion_rate_percentage": "100.00",
            "url": url,
        }
    empty = twilio.get(f"{SUMMARY}?VerificationSid={approved['sid']}&Channel=sms").get_json()
    assert (empty["total_attempts"], empty["conversion_rate_percentage"]) == (0, "0.00")


def test_pending_and_unknown_verifications(twilio: TwilioClient) -> None:
    """A queued call is unconverted; there is none of what this client does not have."""
    created = twilio.create()
    (attempt,) = listed(twilio, VerificationSid=created["sid"])
    assert attempt["conversion_status"] == "unconverted"
    assert attempt["channel_data"]["call_status"] == "queued"
    assert listed(twilio, VerificationSid=UNKNOWN_SID) == []
    assert listed(twilio, ChannelData_To="+919876543211") == []
    assert listed(twilio, VerificationSid=created["sid"], ChannelData_To="+919876543211") == []
    assert listed(twilio.as_bank(), VerificationSid=created["sid"]) == []
    assert listed(twilio.as_bank(), ChannelData_To=ASHA) == []


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?Channel=call",
        "?VerificationSid=",
        f"?VerificationSid={UNKNOWN_SID}&VerificationSid={UNKNOWN_SID}",
        f"?VerificationSid={UNKNOWN_SID}&DateCreatedAfter=yesterday",
        f"?VerificationSid={UNKNOWN_SID}&Status=%zz",
        f"?VerificationSid={UNKNOWN_SID}&Status=%FF",
    ],
)
def test_malformed_query_is_60200(twilio: TwilioClient, query: str) -> None:
    """One verification must be named."""
    assert_error(twilio.get(f"{ATTEMPTS}{query}"), 400, 60200)
    assert_error(twilio.get(f"{SUMMARY}{query}"), 400, 60200)


def test_prefix_of_several_numbers_is_60200(twilio: TwilioClient) -> None:
    """The summary is of one verification."""
    assert_error(twilio.get(f"{SUMMARY}?DestinationPrefix=%2B9198"), 400, 60200)


def test_one_attempt_cannot_be_fetched(twilio: TwilioClient, approved: dict[str, Any]) -> None:
    """The store finds no verification by a call's id."""
    sid = approved["send_code_attempts"][0]["attempt_sid"]
    assert_error(twilio.get(f"{ATTEMPTS}/{sid}"), 404, 20404)


def test_attempts_need_the_api_key(twilio: TwilioClient) -> None:
    """As every request."""
    for path in (ATTEMPTS, SUMMARY):
        assert_error(twilio.app.test_client().get(path), 401, 20003)
