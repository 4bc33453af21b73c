"""Ambiguous replies, and whether the phone rings."""

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from otpvoice.sandbox import RunningSandbox

PlaceCall = Callable[[RunningSandbox, dict[str, Any]], requests.Response]
SetBehaviour = Callable[..., None]
EndedCalls = Callable[..., list[dict[str, Any]]]


def test_slow_reply_is_delayed(
    sandbox: RunningSandbox, place_call: PlaceCall, obd: dict[str, Any], set_behaviour: SetBehaviour
) -> None:
    """Its content is the documented one."""
    set_behaviour("slow", seconds=0.2)
    began = time.monotonic()

    assert place_call(sandbox, obd).json()["status"] == 200
    assert time.monotonic() - began >= 0.2


def test_timeout_rings_without_reply(
    sandbox: RunningSandbox,
    obd: dict[str, Any],
    set_behaviour: SetBehaviour,
    ended_calls: EndedCalls,
) -> None:
    """The client gets no reply in time."""
    set_behaviour("timeout")

    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{sandbox.api_url}outgoing/send",
            json=obd,
            headers={"Authorization": "Bearer t0ken"},
            timeout=0.2,
        )

    assert ended_calls()[0]["attempts_rung"] == 1


def test_garbage_reply_is_html(
    sandbox: RunningSandbox, place_call: PlaceCall, obd: dict[str, Any], set_behaviour: SetBehaviour
) -> None:
    """With status 200."""
    set_behaviour("garbage")
    reply = place_call(sandbox, obd)

    assert reply.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        reply.json()


def test_empty_reply_has_no_body(
    sandbox: RunningSandbox, place_call: PlaceCall, obd: dict[str, Any], set_behaviour: SetBehaviour
) -> None:
    """With status 200."""
    set_behaviour("empty")
    reply = place_call(sandbox, obd)

    assert (reply.status_code, reply.content) == (200, b"")


def test_huge_reply_is_ten_megabytes_of_json(
    sandbox: RunningSandbox, place_call: PlaceCall, obd: dict[str, Any], set_behaviour: SetBehaviour
) -> None:
    """Only a limit of the size rejects it."""
    set_behaviour("huge")
    reply = place_call(sandbox, obd)

    assert len(reply.content) > 10 * 1024 * 1024
    assert reply.json()["status"] == 200


def test_trickle_reply_sends_single_bytes(
    sandbox: RunningSandbox, obd: dict[str, Any], set_behaviour: SetBehaviour
) -> None:
    """No single read is slow, but the whole reply is."""
    set_behaviour("trickle", seconds=0.002)
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
def test_cut_and_reset_replies_break_connection(
    sandbox: RunningSandbox,
    place_call: PlaceCall,
    obd: dict[str, Any],
    set_behaviour: SetBehaviour,
    behaviour: str,
) -> None:
    """In the middle of the reply, or before its first byte."""
    set_behaviour(behaviour)

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        place_call(sandbox, obd)


@pytest.mark.parametrize("behaviour", ["garbage", "empty", "huge", "cut", "reset", "slow"])
def test_ambiguous_reply_rings(
    sandbox: RunningSandbox,
    place_call: PlaceCall,
    obd: dict[str, Any],
    set_behaviour: SetBehaviour,
    ended_calls: EndedCalls,
    behaviour: str,
) -> None:
    """The request log contains the call."""
    set_behaviour(behaviour, **({"seconds": 0} if behaviour == "slow" else {}))
    try:
        place_call(sandbox, obd)
    except requests.RequestException:
        assert behaviour in {"cut", "reset"}

    assert ended_calls()[0]["status"] == "ANSWER"
    assert sandbox.state.network.request_log()[0]["rang"]


def test_rings_option_overrides_behaviour(
    sandbox: RunningSandbox,
    place_call: PlaceCall,
    obd: dict[str, Any],
    set_behaviour: SetBehaviour,
    ended_calls: EndedCalls,
) -> None:
    """An ambiguous reply without a call, and an error with one."""
    set_behaviour("garbage", rings=False)
    place_call(sandbox, obd)
    set_behaviour("error_500", rings=True)
    assert place_call(sandbox, obd).status_code == 500
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
def test_reply_behaviour_returns_custom_reply(
    sandbox: RunningSandbox,
    obd: dict[str, Any],
    set_behaviour: SetBehaviour,
    options: dict[str, Any],
    status: int,
    text: str,
    media_type: str,
) -> None:
    """With any status, body and headers; no phone rings."""
    set_behaviour("reply", **options)

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
