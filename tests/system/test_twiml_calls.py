"""A whole service that calls through each vendor of the TwiML family: from request to callback."""

import re
from collections.abc import Iterator, Mapping
from itertools import count

import pytest
import requests
from support.processes import TIMEOUT_S, free_port, wait_until
from support.service import LOGIN_KEY, SandboxPhones
from support.stack import Stack, running_service

from otpvoice_sandbox import RunningSandbox, SandboxConfig
from otpvoice_sandbox.twiml_vendors import TWIML_VENDORS, telnyx_public_key

TOKEN = "t0ken-of-the-vendors"
PATH_TOKEN = "path-token-of-the-vendors-0123456789"
LINE = "918068280009"
PATHS = {
    "twilio": "/2010-04-01",
    "somleng": "/2010-04-01",
    "signalwire": "/api/laml/2010-04-01",
    "telnyx": "/v2/texml",
}
OWN = {
    "signalwire": {"WEBHOOK_KEY": TOKEN},
    "telnyx": {"WEBHOOK_KEY": telnyx_public_key(TOKEN), "APPLICATION_ID": "12345"},
}
"""What a vendor needs in addition."""
_numbers = count(919876540000)


@pytest.fixture(scope="module")
def company() -> Iterator[RunningSandbox]:
    """Run the vendors."""
    with RunningSandbox(
        SandboxConfig(token=TOKEN, ring_seconds=0.02, talk_seconds=0.02)
    ) as running:
        yield running


@pytest.fixture(scope="module")
def stack(
    environ: Mapping[str, str], company: RunningSandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Run a service with an account at each vendor."""
    variables = {
        f"OTPVOICE_PROVIDERS_{vendor.upper()}_{name}": value
        for vendor, path in PATHS.items()
        for name, value in {
            "KIND": "twiml",
            "VENDOR": vendor,
            "ACCOUNT": "AC1",
            "TOKEN": TOKEN,
            "BASE_URL": f"{company.url}{path}",
            "BRIDGE": LINE,
            "TEXTS": '{"default": "ACME. {Name}, your code is {otp}.", "hi": "{Name}, कोड {otp}"}',
            "VOICES": '{"hi": "Polly.Aditi"}',
            "WEBHOOK_PATH_TOKEN": PATH_TOKEN,
            **OWN.get(vendor, {}),
        }.items()
    }
    bind = f"127.0.0.1:{free_port()}"
    with running_service(
        environ,
        tmp_path_factory.mktemp("service"),
        OTPVOICE_SERVER_BIND=bind,
        OTPVOICE_SERVER_PUBLIC_URL=f"http://{bind}",
        **variables,
    ) as running:
        yield running


@pytest.fixture
def phones(company: RunningSandbox) -> SandboxPhones:
    """Return the phones that the vendors call."""
    return SandboxPhones(company.url)


def post(stack: Stack, path: str, **members: object) -> dict[str, object]:
    """Send a client's request, and return the successful response."""
    headers = {"Authorization": f"Bearer {LOGIN_KEY}"}
    response = requests.post(
        stack.service.url + path, json=members, headers=headers, timeout=TIMEOUT_S
    )
    assert response.ok, response.text
    found: dict[str, object] = response.json()
    return found


def calls_of(stack: Stack, verification: dict[str, object]) -> list[dict[str, object]]:
    """Return the calls of a verification as the client sees them."""
    headers = {"Authorization": f"Bearer {LOGIN_KEY}"}
    url = f"{stack.service.url}/v1/verifications/{verification['id']}"
    found: list[dict[str, object]] = requests.get(url, headers=headers, timeout=TIMEOUT_S).json()[
        "calls"
    ]
    return found


@pytest.mark.parametrize("vendor", PATHS)
@pytest.mark.parametrize("locale", ["en", "hi"])
def test_login(stack: Stack, phones: SandboxPhones, vendor: str, locale: str) -> None:
    """The phone rings, the code is spoken three times, the callback arrives, the code is right."""
    number = f"+{next(_numbers)}"
    begun = post(stack, "/v1/verifications", to=number, name="Asha", route=vendor, locale=locale)
    wait_until(lambda: [call for call in phones.calls(number) if call["spoken"]], "a call")
    (rung,) = phones.calls(number)
    spoken = re.findall(r"\d", rung["spoken"])
    code = "".join(spoken[:6])
    assert spoken == [*code] * 3
    assert "Asha" in rung["spoken"]
    wait_until(lambda: calls_of(stack, begun)[0]["status"] == "answered", "the callback")
    (call,) = calls_of(stack, begun)
    assert (call["route"], call["caller_id"]) == (vendor, f"+{LINE}")
    assert call["heard"] is True
    assert post(stack, f"/v1/verifications/{begun['id']}/checks", code=code)["valid"] is True
    for process in (stack.api, stack.dialer):
        log = process.log.read_text("utf-8")
        assert number not in log
        assert not [secret for secret in (PATH_TOKEN, TOKEN) if secret in log]
        assert code not in re.sub(r"[0-9a-f]{16,}", "", log)


@pytest.mark.parametrize("vendor", PATHS)
def test_busy_phone_is_called_again(stack: Stack, phones: SandboxPhones, vendor: str) -> None:
    """The callback of the first call leads to a redial."""
    number = f"+{next(_numbers)}"
    phones.set_behaviour(number, "busy", calls=1)
    begun = post(stack, "/v1/verifications", to=number, route=vendor)
    wait_until(lambda: len(calls_of(stack, begun)) > 1, "a redial")
    assert calls_of(stack, begun)[0]["status"] == "busy"


def callback_address(company: RunningSandbox, number: str) -> str:
    """Return the address that the vendor got for the callback of a number's only call."""
    entries = company.state.request_log()
    (address,) = [
        str(entry["request"]["StatusCallback"])
        for entry in entries
        if entry["request"].get("To") == number
    ]
    return address


def test_callback_during_a_call_changes_nothing(
    stack: Stack, company: RunningSandbox, phones: SandboxPhones
) -> None:
    """An account's default may ask for one when the phone rings."""
    number = f"+{next(_numbers)}"
    phones.set_behaviour(number, "by_hand", seconds=60)
    begun = post(stack, "/v1/verifications", to=number, route="twilio")
    wait_until(lambda: calls_of(stack, begun)[0]["status"] == "placed", "the call")
    url = callback_address(company, number)
    members = {"CallSid": "CA" + "1" * 32, "CallStatus": "ringing", "To": number}
    headers = TWIML_VENDORS["twilio"].sign(url, "", members, TOKEN)
    assert requests.post(url, members, headers=headers, timeout=TIMEOUT_S).status_code == 200
    assert calls_of(stack, begun)[0]["status"] == "placed"
    press = {"button": "decline"}
    address = f"{company.url}/phones/{number[1:]}/press"
    assert requests.post(address, json=press, timeout=TIMEOUT_S).status_code == 204
    wait_until(lambda: calls_of(stack, begun)[0]["status"] == "busy", "the callback")


def test_forged_callback_is_refused(stack: Stack, company: RunningSandbox) -> None:
    """A signed callback does not end another call; an unsigned one ends none."""
    number = f"+{next(_numbers)}"
    begun = post(stack, "/v1/verifications", to=number, route="telnyx")
    wait_until(lambda: calls_of(stack, begun)[0]["status"] == "answered", "the callback")
    url = callback_address(company, number)
    other = re.sub(r"call_[0-9a-f]{32}", f"call_{'0' * 32}", url)
    for address in (url, other):
        response = requests.post(
            address, {"CallStatus": "busy", "CallSid": "v3:x"}, timeout=TIMEOUT_S
        )
        assert response.status_code == 401
    assert calls_of(stack, begun)[0]["status"] == "answered"
