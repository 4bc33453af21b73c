"""Replies that leave a client in doubt, and whether the phone rang meanwhile."""

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from otpvoice.sandbox import RunningSandbox

Place = Callable[[RunningSandbox, dict[str, Any]], requests.Response]
Behave = Callable[..., None]
EndedCalls = Callable[..., list[dict[str, Any]]]


def test_slow(sandbox: RunningSandbox, place: Place, obd: dict[str, Any], behave: Behave) -> None:
    """A slow reply is the documented one, late."""
    behave("slow", seconds=0.2)
    began = time.monotonic()

    assert place(sandbox, obd).json()["status"] == 200
    assert time.monotonic() - began >= 0.2


def test_timeout_rings(
    sandbox: RunningSandbox, obd: dict[str, Any], behave: Behave, ended_calls: EndedCalls
) -> None:
    """A request that is never answered rings the phone all the same."""
    behave("timeout")

    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{sandbox.api_url}outgoing/send",
            json=obd,
            headers={"Authorization": "Bearer t0ken"},
            timeout=0.2,
        )

    assert ended_calls()[0]["attempts_rung"] == 1


def test_garbage(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any], behave: Behave
) -> None:
    """200 with a page of HTML."""
    behave("garbage")
    reply = place(sandbox, obd)

    assert reply.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        reply.json()


def test_empty(sandbox: RunningSandbox, place: Place, obd: dict[str, Any], behave: Behave) -> None:
    """200 with nothing."""
    behave("empty")
    reply = place(sandbox, obd)

    assert (reply.status_code, reply.content) == (200, b"")


def test_huge(sandbox: RunningSandbox, place: Place, obd: dict[str, Any], behave: Behave) -> None:
    """Ten megabytes that are JSON, so that only a limit of size refuses them."""
    behave("huge")
    reply = place(sandbox, obd)

    assert len(reply.content) > 10 * 1024 * 1024
    assert reply.json()["status"] == 200


def test_trickle(sandbox: RunningSandbox, obd: dict[str, Any], behave: Behave) -> None:
    """One byte at a time: no single read is slow, the whole is."""
    behave("trickle", seconds=0.002)
    host, port = sandbox.url.removeprefix("http://").split(":")
    request = requests.Request(
        "POST",
        f"{sandbox.api_url}outgoing/send",
        json=obd,
        headers={"Authorization": "Bearer t0ken"},
    ).prepare()
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    body = request.body
    assert isinstance(body, bytes)

    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"POST {request.path_url} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        connection.sendall(body)
        pieces = list(iter(lambda: connection.recv(65536), b""))

    content = b"".join(pieces).partition(b"\r\n\r\n")[2]
    assert content.startswith(b'{"status":200')
    assert content.endswith(b"}")
    assert len(pieces) > len(content) / 2


@pytest.mark.parametrize("behaviour", ["cut", "reset"])
def test_lost_connection(
    sandbox: RunningSandbox, place: Place, obd: dict[str, Any], behave: Behave, behaviour: str
) -> None:
    """The connection ends in the middle of the reply, or before its first byte."""
    behave(behaviour)

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        place(sandbox, obd)


@pytest.mark.parametrize("behaviour", ["garbage", "empty", "huge", "cut", "reset", "slow"])
def test_doubtful_replies_ring(
    sandbox: RunningSandbox,
    place: Place,
    obd: dict[str, Any],
    behave: Behave,
    ended_calls: EndedCalls,
    behaviour: str,
) -> None:
    """Whatever the client makes of them, the phone rings and the ledger knows it."""
    behave(behaviour, **({"seconds": 0} if behaviour == "slow" else {}))
    try:
        place(sandbox, obd)
    except requests.RequestException:
        assert behaviour in {"cut", "reset"}

    assert ended_calls()[0]["status"] == "ANSWER"
    assert sandbox.state.network.request_log()[0]["rang"]


def test_doubtful_replies_need_not_ring(
    sandbox: RunningSandbox,
    place: Place,
    obd: dict[str, Any],
    behave: Behave,
    ended_calls: EndedCalls,
) -> None:
    """The option ``rings`` turns either case round: doubt without a call, an error with one."""
    behave("garbage", rings=False)
    place(sandbox, obd)
    behave("error_500", rings=True)
    assert place(sandbox, obd).status_code == 500
    ended_calls()

    assert [entry["rang"] for entry in sandbox.state.network.request_log()] == [False, True]


@pytest.mark.parametrize(
    ("options", "status", "text", "media_type"),
    [
        (
            {"status": 502, "body": "<h1>Bad Gateway</h1>"},
            502,
            "<h1>Bad Gateway</h1>",
            "text/plain",
        ),
        ({"body": {"status": 401}}, 200, '{"status":401}', "application/json"),
        (
            {"body": {"status": 200, "data": []}},
            200,
            '{"status":200,"data":[]}',
            "application/json",
        ),
        ({"status": 429, "headers": {"Retry-After": "2"}}, 429, "", "text/plain"),
        (
            {"body": '{"status":"200"}', "headers": {"content-type": "application/json"}},
            200,
            '{"status":"200"}',
            "application/json",
        ),
        ({"status": 307, "headers": {"Location": "/elsewhere"}}, 307, "", "text/plain"),
    ],
)
def test_any_reply(
    sandbox: RunningSandbox,
    obd: dict[str, Any],
    behave: Behave,
    options: dict[str, Any],
    status: int,
    text: str,
    media_type: str,
) -> None:
    """``reply`` answers with any status, body and headers, and rings nowhere."""
    behave("reply", **options)

    reply = requests.post(
        f"{sandbox.api_url}outgoing/send",
        json=obd,
        headers={"Authorization": "Bearer t0ken"},
        timeout=5,
        allow_redirects=False,
    )

    assert (reply.status_code, reply.text) == (status, text)
    assert reply.headers["Content-Type"].startswith(media_type)
    for name, value in options.get("headers", {}).items():
        assert reply.headers[name] == value
    assert sandbox.state.network.list_calls() == []
