"""Every refusal is in Twilio's format, whatever was sent."""

import base64
from typing import Any

import pytest
from api.api_client import StartApi, assert_problem, settings_with
from api.twilio_verify.twilio_client import (
    BASE,
    CHECK,
    SERVICE,
    UNKNOWN_SID,
    VERIFICATIONS,
    TwilioClient,
    assert_error,
    basic,
)
from flask import Response
from support.service import ASHA, LOGIN_KEY
from support.valkey import Valkey

from otpvoice.app import create_app
from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore

FORM = "application/x-www-form-urlencoded"
TO = "To=%2B919876543210"
CREATE = f"{TO}&Channel=call"


def post_raw(twilio: TwilioClient, raw: bytes | str, path: str = VERIFICATIONS) -> Any:
    """Send a body as it is."""
    return twilio.request("POST", path, data=raw, content_type=FORM)


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"To": None}, "To"),
        ({"To": ""}, "To"),
        ({"To": "919876543210"}, "To"),
        ({"To": " 919876543210"}, "To"),
        ({"To": "+91 98765 43210"}, "To"),
        ({"To": "+91987654321०"}, "To"),
        ({"To": "+919876543210\0"}, "To"),
        ({"To": "+919876543210\n"}, "To"),
        ({"To": "+" + "9" * 5000}, "To"),
        ({"To": "asha@example.com"}, "To"),
        ({"To": '{"a":' * 700}, "To"),
        ({"To": "+910000000000"}, "To"),
        ({"Channel": None}, "Channel"),
        ({"Channel": "sms"}, "Channel"),
        ({"Channel": "whatsapp"}, "Channel"),
        ({"Channel": "email"}, "Channel"),
        ({"Channel": "call\0"}, "Channel"),
        ({"CustomCode": "123"}, "CustomCode"),
        ({"CustomCode": "12345678901"}, "CustomCode"),
        ({"CustomCode": "abcdef"}, "CustomCode"),
        ({"CustomCode": "१२३४५६"}, "CustomCode"),
        ({"Locale": "not a locale"}, "Locale"),
        ({"DeviceIp": "localhost"}, "DeviceIp"),
        ({"DeviceIp": "1.2.3.4\0"}, "DeviceIp"),
    ],
)
def test_invalid_parameter_is_60200(
    twilio: TwilioClient, changes: dict[str, str | None], parameter: str
) -> None:
    """The message names the parameter, and nothing is created."""
    form = {"To": ASHA, "Channel": "call", **changes}
    response = twilio.post(VERIFICATIONS, **{k: v for k, v in form.items() if v is not None})
    error = assert_error(response, 400, 60200)
    assert error["message"].startswith(f"Invalid parameter `{parameter}`: ")
    assert twilio.create()["sid"]  # nothing is counted


def test_several_invalid_parameters_are_all_named(twilio: TwilioClient) -> None:
    """In one message."""
    form = {"To": ASHA, "Channel": "call", "CustomCode": "1", "DeviceIp": "a"}
    error = assert_error(twilio.post(VERIFICATIONS, **form), 400, 60200)
    assert "`CustomCode`" in error["message"]
    assert "`DeviceIp`" in error["message"]


@pytest.mark.parametrize(
    "raw",
    [
        f"{CREATE}&{TO}",
        f"{CREATE}&Channel=sms",
        f"{CREATE}&CustomCode=4711&CustomCode=4712",
        f"{CREATE}&Locale=%",
        f"{CREATE}&Locale=%zz",
        f"{CREATE}&Other=%f",
        f"{CREATE}&Other=%FF",
        f"{CREATE}&%C3%28=a",
        "To%5B%5D=%2B919876543210&Channel=call",
        "To[a][b][c]=%2B919876543210&Channel=call",
        "to=%2B919876543210&channel=call",
        "&" * 16_000,
        "a=b&" * 4000,
        "=",
        '{"To": "+919876543210", "Channel": "call"}',
        "",
        b"To=\xff&Channel=call",
        b"\x00",
        f"{CREATE};Channel=call",
    ],
    ids=lambda each: repr(each[:40]),
)
def test_malformed_form_is_60200(twilio: TwilioClient, raw: bytes | str) -> None:
    """Also one from which the parameters could be guessed."""
    assert_error(post_raw(twilio, raw), 400, 60200)


def test_unknown_member_may_repeat(twilio: TwilioClient) -> None:
    """Only names that are read must be unique."""
    assert post_raw(twilio, f"{CREATE}&Tags=a&Tags=b&=&").status_code == 201


@pytest.mark.parametrize(
    ("form", "parameter"),
    [
        ({"VerificationSid": UNKNOWN_SID}, "Code"),
        ({"VerificationSid": UNKNOWN_SID, "Code": ""}, "Code"),
        ({"VerificationSid": UNKNOWN_SID, "Code": "123"}, "Code"),
        ({"VerificationSid": UNKNOWN_SID, "Code": "1" * 11}, "Code"),
        ({"VerificationSid": UNKNOWN_SID, "Code": "१" * 1000}, "Code"),
    ],
)
def test_malformed_check_is_60200(
    twilio: TwilioClient, form: dict[str, str], parameter: str
) -> None:
    """A code has 4 to 10 characters."""
    error = assert_error(twilio.post(CHECK, **form), 400, 60200)
    assert error["message"].startswith(f"Invalid parameter `{parameter}`: ")


@pytest.mark.parametrize("status", ["", "pending", "CANCELED", "deleted", "a" * 5000])
def test_invalid_status_is_60200(twilio: TwilioClient, status: str) -> None:
    """A verification can be canceled or approved."""
    created = twilio.create()
    assert_error(twilio.update(created["sid"], status), 400, 60200)
    assert twilio.fetch(created["sid"]).status_code == 200


@pytest.mark.parametrize(
    "credential",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no-colon").decode(),
        "Basic " + base64.b64encode(b"AC:").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode(f"{LOGIN_KEY}:".encode()).decode(),
        "Basic " + base64.b64encode(f"{LOGIN_KEY}:wrong".encode()).decode(),
        f"Bearer {LOGIN_KEY}",
        "Basic " + "A" * 6000,
        "Basic é",
    ],
)
def test_wrong_credential_is_20003(twilio: TwilioClient, credential: str | None) -> None:
    """Before anything else is looked at."""
    requests = [
        ("POST", VERIFICATIONS),
        ("POST", CHECK),
        ("GET", f"{VERIFICATIONS}/{UNKNOWN_SID}"),
        ("POST", f"{VERIFICATIONS}/{UNKNOWN_SID}"),
    ]
    client = twilio.app.test_client()
    headers = {} if credential is None else {"Authorization": credential}
    for method, path in requests:
        assert_error(client.open(path, method=method, headers=headers), 401, 20003)


def test_client_token_is_20003(start_api: StartApi) -> None:
    """An app's credential opens nothing here."""
    api = start_api(twilio_verify_enabled="true")
    token = api.create()["client_token"]
    response = TwilioClient(api.app, token).post(VERIFICATIONS, To=ASHA, Channel="call")
    assert_error(response, 401, 20003)


@pytest.mark.parametrize("user", ["", "SK1", "login", "ACé", "AC\x07"])
def test_user_is_ignored(twilio: TwilioClient, user: str) -> None:
    """Only an account's SID is repeated in the response."""
    response = twilio.request(
        "POST",
        VERIFICATIONS,
        data={"To": ASHA, "Channel": "call"},
        headers=basic(user, LOGIN_KEY),
    )
    assert response.status_code == 201
    assert response.get_json()["account_sid"] == (user if user.startswith("AC") else None)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"{BASE}/", 404, 20404),
        ("GET", "/twilio/", 404, 20404),
        ("POST", f"{BASE}/Services", 404, 20404),
        ("GET", f"{BASE}/Services/{SERVICE}", 404, 20404),
        ("POST", f"{VERIFICATIONS}/", 404, 20404),
        ("POST", f"{BASE}//Services/{SERVICE}/Verifications", 404, 20404),
        ("POST", f"/%74wilio/v2/Services/{SERVICE}/Verifications", 404, 20404),
        ("GET", f"{VERIFICATIONS}/a%2Fb", 404, 20404),
        ("GET", VERIFICATIONS, 405, 20004),
        ("DELETE", f"{VERIFICATIONS}/{UNKNOWN_SID}", 405, 20004),
        ("GET", CHECK, 405, 20004),
    ],
)
def test_unknown_path_and_method(
    twilio: TwilioClient, method: str, path: str, status: int, code: int
) -> None:
    """Paths under ``/twilio/`` have no problem documents."""
    response = twilio.request(method, path)
    assert_error(response, status, code)
    assert ("Allow" in response.headers) == (status == 405)


def test_too_large_and_other_bodies(twilio: TwilioClient) -> None:
    """A form of at most 16 KiB."""
    assert_error(post_raw(twilio, "a" * 16_385), 413, 20413)
    for content_type in ("application/json", "text/plain", "multipart/form-data", "", None):
        options = {"data": CREATE, "content_type": content_type}
        assert_error(twilio.request("POST", VERIFICATIONS, **options), 415, 20415)
    packed = {"data": CREATE, "content_type": FORM, "headers": {"Content-Encoding": "gzip"}}
    assert_error(twilio.request("POST", VERIFICATIONS, **packed), 415, 20415)
    with_charset = {"data": CREATE, "content_type": f"{FORM}; charset=utf-8"}
    assert twilio.request("POST", VERIFICATIONS, **with_charset).status_code == 201


def test_number_of_another_region_is_60605(twilio: TwilioClient) -> None:
    """As Twilio refuses a number that the geographic permissions block."""
    response = twilio.post(VERIFICATIONS, To="+12125550123", Channel="call")
    assert_error(response, 403, 60605)


def test_limit_of_calls_is_60203(start_api: StartApi) -> None:
    """``details`` has what the headers have: the SDKs do not show headers."""
    api = start_api(twilio_verify_enabled="true", limits_creates_per_client="1/1m")
    twilio = TwilioClient(api.app)
    twilio.create()
    response = twilio.post(VERIFICATIONS, To="+919876543211", Channel="call")
    error = assert_error(response, 429, 60203)
    assert error["details"]["limit"].startswith("creates_per_client")
    assert error["details"]["retry_after"] > 0


def test_limit_of_wrong_codes_is_60202(start_api: StartApi) -> None:
    """The code is not compared; the next create is refused, too."""
    api = start_api(twilio_verify_enabled="true", limits_wrong_codes_per_number="1/1h")
    twilio = TwilioClient(api.app)
    created = twilio.create(CustomCode="471102")
    twilio.check(created, "999999")
    error = assert_error(twilio.check(created, "471102"), 429, 60202)
    assert error["details"]["limit"].startswith("wrong_codes_per_number")


def test_no_dialer_is_20503(start_api: StartApi) -> None:
    """The call could not come."""
    api = start_api(twilio_verify_enabled="true")
    api.advance_time(0)
    api.store.clock_offset_ms += 60_000
    response = TwilioClient(api.app).post(VERIFICATIONS, To=ASHA, Channel="call")
    assert_error(response, 503, 20503)


def test_stopped_store_is_20503(environ: dict[str, str], valkey: Valkey) -> None:
    """For every operation."""
    client = connect(valkey.url, timeout_s=30)
    store = RedisStore(client)
    twilio = TwilioClient(create_app(settings_with(environ, twilio_verify_enabled="true"), store))
    valkey.kill()
    for response in (
        twilio.post(VERIFICATIONS, To=ASHA, Channel="call"),
        twilio.post(CHECK, VerificationSid=UNKNOWN_SID, Code="471102"),
        twilio.fetch(UNKNOWN_SID),
        twilio.update(UNKNOWN_SID, "canceled"),
    ):
        assert_error(response, 503, 20503)
    client.close()


def test_unexpected_error_is_20500(environ: dict[str, str], store: RedisStore) -> None:
    """It reveals nothing about the cause."""
    app = create_app(settings_with(environ, twilio_verify_enabled="true"), store)

    @app.get("/twilio/fails")
    def fails() -> Response:
        raise ZeroDivisionError("a secret")

    error = assert_error(TwilioClient(app).get("/twilio/fails"), 500, 20500)
    assert "secret" not in str(error)


def test_disabled_facade_is_an_unknown_path(start_api: StartApi) -> None:
    """A problem document, as for any other path."""
    twilio = TwilioClient(start_api().app)
    assert_problem(twilio.post(VERIFICATIONS, To=ASHA, Channel="call"), 404, "not_found")


@pytest.mark.parametrize("path", [f"{BASE}/Service", f"{BASE}/Services", "/twilio/Verifications"])
def test_unknown_path_leads_to_the_page_that_lists_the_paths(
    twilio: TwilioClient, path: str
) -> None:
    """Not to /docs, which leaves these paths out."""
    response = twilio.request("GET", path)
    assert_error(response, 404, 20404)
    assert "docs/integrations/twilio-verify.md" in response.get_json()["message"]
