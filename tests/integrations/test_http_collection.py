"""``examples/otpvoice.http``: every request works as it is."""

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import requests
from support.processes import wait_until
from support.service import LOGIN_KEY
from support.stack import Stack

FILE = Path(__file__).parents[2] / "examples" / "otpvoice.http"


def values(stack: Stack) -> dict[str, str]:
    """Return the variables of the file; the demo's own in place of its examples."""
    given = dict(re.findall(r"^@(\w+) = (.+)$", FILE.read_text("utf-8"), re.MULTILINE))
    assert given.keys() == {"url", "apiKey", "to"}
    return given | {"url": stack.service.url, "apiKey": LOGIN_KEY}


def is_sent(stack: Stack, verification: dict[str, Any]) -> bool:
    """Return whether its call is on its way."""
    (call,) = stack.service.get_verification(verification)["calls"]
    return call["status"] not in {"queued", "dialing"}


def test_each_request_is_answered(stack: Stack) -> None:
    """In its order, without an error."""
    known = values(stack)
    responses: dict[str, Any] = {}

    def fill(found: re.Match[str]) -> str:
        name, *path = found[1].split(".")
        if not path:
            return known[name]
        assert path[:2] == ["response", "body"]
        return str(responses[name][path[2]])

    _, *blocks = re.split(r"^### .+\n", FILE.read_text("utf-8"), flags=re.MULTILINE)
    statuses = []
    for block in blocks:
        name = re.search(r"^# @name (\w+)$", block, re.MULTILINE)
        lines = "\n".join(line for line in block.splitlines() if not line.startswith("#"))
        text = re.sub(r"\{\{([\w.]+)\}\}", fill, lines).strip()
        head, _, body = text.partition("\n\n")
        first, *headers = head.splitlines()
        method, url = first.split(" ")
        answer = requests.request(
            method,
            url,
            headers=dict(each.split(": ", 1) for each in headers),
            data=body.encode(),
            timeout=30,
        )
        statuses.append(answer.status_code)
        assert answer.status_code < 300, (first, answer.text)
        if body:
            json.loads(body)
        if name:
            responses[name[1]] = answer.json()
            # Nobody knows the code before a call was sent, so a check would be refused.
            wait_until(partial(is_sent, stack, answer.json()), "the call")
    assert len(statuses) == len(blocks) >= 10
