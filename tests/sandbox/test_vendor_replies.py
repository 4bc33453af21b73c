"""Ambiguous replies, and whether the phone rings."""

import socket
import time
from typing import Any

import pytest
import requests
from sandbox.vendor import OBD, ended_calls, place_call, set_behaviour

from otpvoice_sandbox import RunningSandbox


def test_slow_reply_is_delayed(sandbox: RunningSandbox) -> None:
    """Its content is the documented one."""
    set_behaviour(sandbox, "slow", seconds=0.2)
    began = time.monotonic()

    assert place_call(sandbox, OBD).json()["status"] == 200
    assert time.monotonic() - began >= 0.2


def test_timeout_rings_without_reply(sandbox: RunningSandbox) -> None:
    """The client gets no reply in time."""
    set_behaviour(sandbox, "timeout")

    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{sandbox.api_url}outgoing/send",
            json=dict(OBD),
            headers={"Authorization": "Bearer t0ken"},
            timeout=0.2,
        )

    assert ended_calls(sandbox)[0]["attempts_rung"] == 1


def test_garbage_reply_is_html(sandbox: RunningSandbox) -> None:
    """With status 200."""
    set_behaviour(sandbox, "garbage")
    reply = place_call(sandbox, OBD)

    assert reply.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        reply.json()


def test_empty_reply_has_no_body(sandbox: RunningSandbox) -> None:
    """With status 200."""
    set_behaviour(sandbox, "empty")
    reply = place_call(sandbox, OBD)

    assert (reply.status_code, reply.content) == (200, b"")


def test_huge_reply_is_ten_megabytes_of_json(sandbox: RunningSandbox) -> None:
    """Only a limit of the size rejects it."""
    set_behaviour(sandbox, "huge")
    reply = place_call(sandbox, OBD)

    assert len(reply.content) > 10 * 1024 * 1024
    assert reply.json()["status"] == 200


def test_trickle_reply_sends_single_bytes(sandbox: RunningSandbox) -> None:
    """No single read is slow, but the whole reply is."""
    set_behaviour(sandbox, "trickle", seconds=0.002)
    host, port = sandbox.url.removeprefix("http://").split(":")
    request = requests.Request(
        "POST",
        f"{sandbox.api_url}outgoing/send",
        json=dict(OBD),
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
def test_cut_and_reset_replies_break_connection(sandbox: RunningSandbox, behaviour: str) -> None:
    """In the middle of the reply, or before its first byte."""
    set_behaviour(sandbox, behaviour)

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        place_call(sandbox, OBD)


@pytest.mark.parametrize("behaviour", ["garbage", "empty", "huge", "cut", "reset", "slow"])
def test_ambiguous_reply_rings(sandbox: RunningSandbox, behaviour: str) -> None:
    """The request log contains the call."""
    set_behaviour(sandbox, behaviour, **({"seconds": 0} if behaviour == "slow" else {}))
    try:
        place_call(sandbox, OBD)
    except requests.RequestException:
        assert behaviour in {"cut", "reset"}

    assert ended_calls(sandbox)[0]["status"] == "ANSWER"
    assert sandbox.state.request_log()[0]["rang"]


def test_rings_option_overrides_behaviour(sandbox: RunningSandbox) -> None:
    """An ambiguous reply without a call, and an error with one."""
    set_behaviour(sandbox, "garbage", rings=False)
    place_call(sandbox, OBD)
    set_behaviour(sandbox, "error_500", rings=True)
    assert place_call(sandbox, OBD).status_code == 500
    ended_calls(sandbox)

    assert [entry["rang"] for entry in sandbox.state.request_log()] == [False, True]


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
    sandbox: RunningSandbox, options: dict[str, Any], status: int, text: str, media_type: str
) -> None:
    """With any status, body and headers; no phone rings."""
    set_behaviour(sandbox, "reply", **options)

    reply = requests.post(
        f"{sandbox.api_url}outgoing/send",
        json=dict(OBD),
        headers={"Authorization": "Bearer t0ken"},
        timeout=5,
        allow_redirects=False,
    )

    assert (reply.status_code, reply.text) == (status, text)
    assert reply.headers["Content-Type"].startswith(media_type)
    for name, value in options.get("headers", {}).items():
        assert reply.headers[name] == value
    assert sandbox.state.calls == []
