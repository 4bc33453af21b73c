"""What the scripts of all SDKs for Python use: the service, and the sandbox's phones."""

import itertools
import json
import os
import re
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.request import urlopen

BASE_URL: Final = f"{os.environ['OTPVOICE_URL']}/twilio"
API_KEY: Final = os.environ["OTPVOICE_API_KEY"]
SLOW_KEY: Final = os.environ["OTPVOICE_SLOW_KEY"]
"""The key of a client that may request one call a minute."""
ACCOUNT: Final = "AC" + "1" * 32
SERVICE: Final = "VA" + "2" * 32
UNKNOWN: Final = "VE" + "0" * 32

_TIMEOUT_S: Final = 60
_numbers = itertools.count(int(os.environ["FIRST_NUMBER"]))


def new_number() -> str:
    """Return a number that was not called yet."""
    return f"+{next(_numbers)}"


def spoken_code(number: str) -> str:
    """Wait for the newest call of a phone, and return the code that it heard."""
    url = f"{os.environ['SANDBOX_URL']}/phones/{number.removeprefix('+')}/calls"
    began = time.monotonic()
    while time.monotonic() < began + _TIMEOUT_S:
        with urlopen(url, timeout=5) as response:  # noqa: S310 - the sandbox on this machine
            spoken = [call["spoken"] for call in json.load(response) if call["spoken"]]
        if spoken:
            return "".join(re.findall(r"\d", spoken[-1]))
        time.sleep(0.05)
    raise AssertionError(f"no call within {_TIMEOUT_S} s")


def wrong(code: str) -> str:
    """Return another code of the same length."""
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"


def assert_refused(error: Any, status: int, code: int, has_retry_time: bool = False) -> None:
    """Assert status, code and details of an SDK's exception."""
    seen = (error.status, error.code)
    assert seen == (status, code), (seen, error)
    details: Mapping[str, Any] = error.details
    assert re.fullmatch(r"[0-9a-f]{32}", details["request_id"])
    assert ("retry_after" in details) == has_retry_time
    if has_retry_time:
        assert details["retry_after"] > 0
        assert details["limit"]
