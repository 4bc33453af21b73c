"""Requests to a sandbox: those of the vendor's documents, and those of its control API."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import requests

from otpvoice_sandbox import RunningSandbox

PERSON = "918867135000"
TOKEN = "t0ken"
OBD: MappingProxyType[str, Any] = MappingProxyType(
    {
        "bridge": "918068280000",
        "to": PERSON,
        "flow_id": "24",
        "variables[Name]": "YourName",
        "variables[otp]": "1, 2, 3, 4, 5, 6",
    }
)
"""The OBD request of the documents, with a flow and variables."""
C2C: MappingProxyType[str, Any] = MappingProxyType(
    {
        "bridge": "918068280000",
        "from": PERSON,
        "to": "flow:220",
        "variables[Name]": "YourName",
        "variables[otp]": "12344",
        "attempts": "0",
    }
)
"""The C2C request of the documents, without redials."""


def changed(body: Mapping[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return the body with members replaced, or removed where the change is None."""
    return {name: value for name, value in {**body, **change}.items() if value is not None}


def vendor(sandbox: RunningSandbox, method: str, path: str, **options: Any) -> requests.Response:
    """Send a request to the vendor API: ``vendor(sandbox, "POST", "voice/c2c", json=…)``."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        return session.request(method, sandbox.api_url + path, timeout=10, **options)


def place_call(sandbox: RunningSandbox, body: Mapping[str, Any]) -> requests.Response:
    """Request a call, on the route of the body."""
    path = "voice/c2c" if "from" in body else "outgoing/send"
    return vendor(sandbox, "POST", path, json=dict(body))


def set_behaviour(sandbox: RunningSandbox, behaviour: str, **options: Any) -> None:
    """Set the behaviour of a phone: ``set_behaviour(sandbox, "slow", seconds=1)``."""
    document = {"behaviour": behaviour, **options}
    response = requests.put(f"{sandbox.url}/phones/{PERSON}", json=document, timeout=5)
    assert response.status_code == 204, response.text


def press(sandbox: RunningSandbox, button: str) -> int:
    """Press a button or a key of a phone; return the HTTP status."""
    address = f"{sandbox.url}/phones/{PERSON}/press"
    return requests.post(address, json={"button": button}, timeout=5).status_code


def ended_calls(sandbox: RunningSandbox, count: int = 1) -> list[dict[str, Any]]:
    """Wait until this number of calls have ended, and return the phone's calls."""
    network = sandbox.state
    ended = sandbox.state.wait_until(
        lambda: sum(call.ended_at is not None for call in network.calls) >= count, 60
    )
    assert ended, network.phone_calls(PERSON)
    return network.phone_calls(PERSON)
