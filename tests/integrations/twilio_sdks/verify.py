"""Use Twilio Verify with one of Twilio's SDKs for Python, as an application does."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from integrations.twilio_sdks import scenario
from twilio import __version__
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client


def connect(key: str = scenario.API_KEY) -> Any:
    """Return the service of Twilio Verify, with the one line that moves it."""
    client = Client(scenario.ACCOUNT, key)
    client.verify.base_url = scenario.BASE_URL
    return client.verify.v2


def assert_refused(
    status: int,
    code: int,
    request: Callable[..., object],
    /,
    *,
    has_retry_time: bool = False,
    **arguments: str,
) -> None:
    """Assert that a request raises the SDK's usual exception."""
    try:
        request(**arguments)
    except TwilioRestException as error:
        scenario.assert_refused(error, status, code, has_retry_time)
    else:
        raise AssertionError(f"not refused with {code}: {arguments}")


verify = connect()
service = verify.services(scenario.SERVICE)
verifications, checks = service.verifications, service.verification_checks


def create(to: str, **options: str) -> Any:
    """Create a verification."""
    return verifications.create(to=to, channel="call", **options)


def verify_by_number() -> None:
    """Create, wrong, right; a second create and a fetch in between."""
    number = scenario.new_number()
    created = create(number, locale="hi", custom_friendly_name="Asha")
    assert (created.status, created.valid, created.to) == ("pending", False, number)
    assert (created.account_sid, created.service_sid) == (scenario.ACCOUNT, scenario.SERVICE)
    assert isinstance(created.date_created, datetime)
    assert isinstance(created.date_updated, datetime)
    assert create(number).sid == created.sid
    code = scenario.spoken_code(number)
    fetched = verifications(number).fetch()
    assert (fetched.sid, len(fetched.send_code_attempts)) == (created.sid, 1)
    refused = checks.create(to=number, code=scenario.wrong(code))
    assert (refused.status, refused.valid) == ("pending", False)
    assert checks.create(to=number, code="1234").status == "pending"
    checked = checks.create(to=number, code=code)
    assert (checked.sid, checked.status, checked.valid) == (created.sid, "approved", True)
    assert isinstance(checked.date_updated, datetime)
    assert_refused(404, 20404, checks.create, to=number, code=code)
    assert_refused(404, 20404, verifications(number).fetch)
    list_attempts(number, created)


def list_attempts(number: str, created: Any) -> None:
    """List and count the calls of an approved verification."""
    (attempt,) = verify.verification_attempts.list(channel_data_to=number, limit=20)
    assert attempt.sid == created.send_code_attempts[0]["attempt_sid"]
    assert attempt.channel == "call"
    assert attempt.conversion_status == "converted"
    assert isinstance(attempt.date_created, datetime)
    if hasattr(verify, "verification_attempts_summary"):  # from version 7
        summary = verify.verification_attempts_summary().fetch(destination_prefix=number)
        assert (summary.total_attempts, summary.total_converted) == (1, 1)
        assert float(summary.conversion_rate_percentage) == 100  # a Decimal in 7 and 8


def end_verifications() -> None:
    """Cancel and approve, by SID and by number."""
    for status in ("canceled", "approved"):
        for by_number in (True, False):
            number = scenario.new_number()
            created = create(number, custom_code="471102")
            name = number if by_number else created.sid
            assert verifications(created.sid).fetch().to == number
            assert verifications(name).update(status=status).status == status
            assert_refused(404, 20404, verifications(created.sid).fetch)
            assert create(number, custom_code="471102").sid != created.sid


def authorise_payment() -> None:
    """A right code for another amount is pending; for its own it is approved."""
    payment = {"amount": "€39.99", "payee": "ACME Inc."}
    number = scenario.new_number()
    created = create(number, custom_code="471102", **payment)
    assert (created.amount, created.payee) == ("39.99 EUR", "ACME Inc.")
    other = payment | {"amount": "€399.90"}
    assert checks.create(to=number, code="471102", **other).status == "pending"
    checked = checks.create(to=number, code="471102", **payment)
    assert (checked.status, checked.amount, checked.payee) == (
        *("approved", "39.99 EUR"),
        "ACME Inc.",
    )


def guess() -> None:
    """Five wrong codes, then no more."""
    created = create(scenario.new_number(), custom_code="471102")
    for n in range(5):
        guessed = checks.create(verification_sid=created.sid, code=f"99999{n}")
        assert (guessed.status, guessed.valid) == ("pending", False)
    assert_refused(429, 60202, checks.create, verification_sid=created.sid, code="471102")


def be_refused() -> None:
    """Every other error."""
    number = scenario.new_number()
    assert_refused(400, 60200, verifications.create, to="+91", channel="call")
    assert_refused(400, 60200, verifications.create, to=number, channel="sms")
    assert_refused(400, 60200, checks.create, to=number, code="1")
    assert_refused(400, 60206, create, to=number, amount="€39.99")
    assert_refused(400, 60200, create, to=number, amount="39.99", payee="ACME")
    assert_refused(403, 60605, create, to="+12125550123")
    assert_refused(404, 20404, verifications(scenario.UNKNOWN).fetch)
    assert_refused(404, 20404, verifications(scenario.UNKNOWN).update, status="canceled")
    assert_refused(404, 20404, checks.create, verification_sid=scenario.UNKNOWN, code="471102")
    assert_refused(404, 20404, service.fetch)
    if hasattr(verify, "verification_attempts_summary"):
        assert_refused(400, 60200, verify.verification_attempts_summary().fetch)
    stranger = connect("ovk_unknown").services(scenario.SERVICE).verifications
    assert_refused(401, 20003, stranger.create, to=number, channel="call")
    slow = connect(scenario.SLOW_KEY).services(scenario.SERVICE).verifications
    try:
        slow.create(to=scenario.new_number(), channel="call")
    except TwilioRestException as error:
        scenario.assert_refused(error, 429, 60203, has_retry_time=True)
    another = {"to": scenario.new_number(), "channel": "call"}
    assert_refused(429, 60203, slow.create, has_retry_time=True, **another)


verify_by_number()
end_verifications()
authorise_payment()
guess()
be_refused()
print(f"twilio {__version__} passed")
