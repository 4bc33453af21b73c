"""Callbacks: formats, credentials and retries."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from queue import Empty, SimpleQueue
from typing import Any

import pytest
import requests
from sandbox.vendor import C2C, OBD, place_call, set_behaviour

from otpvoice_sandbox import ReplyStyle, RunningSandbox, SandboxConfig, Webhook

Start = Callable[[SandboxConfig], RunningSandbox]
Inbox = SimpleQueue[dict[str, Any]]
Answers = list[tuple[int, bytes]]

PERSON = 918867135000
DOCUMENTED_C2C = """{"bridge":918068280000,"from":918919520000,"to":918867130000,"source":"C2C",
"start_at":"2021-04-09 16:27:39","end_at":"2021-04-09 16:27:55","date":"2021-04-09 16:27:55",
"unixtime":"1653455555","duration":"23","billing":"23","status":"COMPLETED","status1":"RECEIVED",
"status2":"ANSWER","recording_url":"https://youraudiofilelocation/","hangup_by":"caller"}"""
DOCUMENTED_OBD = [
    "bridge",
    "from",
    "to",
    "source",
    "mid",
    "flow_id",
    "start_at",
    "end_at",
    "duration",
    "status",
    "recording_url",
]


def body_of(message: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON that the webhook received."""
    body: dict[str, Any] = json.loads(message["body"])
    return body


def test_c2c_callback_equals_document(sandbox: RunningSandbox, inbox: Inbox) -> None:
    """Member for member as in the vendor's sample, without an id."""
    place_call(sandbox, C2C | {"record": "1", "mid": "ref-1"})

    message = inbox.get(timeout=5)

    body, documented = body_of(message), json.loads(DOCUMENTED_C2C)
    assert list(body) == [*documented, "webhook_id"]
    alike = set(documented) - {"to"}  # a number in the sample; here the person talks to a flow
    assert {name: type(body[name]) for name in alike} == {
        name: type(documented[name]) for name in alike
    }
    assert (body["bridge"], body["from"], body["to"]) == (918068280000, PERSON, "flow:220")
    fixed = ("source", "status", "status1", "status2", "hangup_by")
    assert {name: body[name] for name in fixed} == {name: documented[name] for name in fixed}
    assert body["recording_url"].startswith("https://")
    assert message["method"] == "POST"
    assert message["headers"]["Content-Type"] == "application/json"


def test_obd_callback_equals_document(sandbox: RunningSandbox, inbox: Inbox) -> None:
    """The id of the reply is its ``mid``."""
    call_id = place_call(sandbox, OBD).json()["data"][0]["id"]

    body = body_of(inbox.get(timeout=5))

    assert list(body) == DOCUMENTED_OBD
    assert (body["bridge"], body["from"], body["to"]) == (918068280000, 918068280000, PERSON)
    assert (body["source"], body["mid"], body["flow_id"]) == ("OBD", call_id, 24)
    assert (body["status"], body["recording_url"]) == ("ANSWER", "")


def test_callback_times_are_indian_without_zone(sandbox: RunningSandbox, inbox: Inbox) -> None:
    """The duration is the time that the text takes."""
    place_call(sandbox, C2C)

    body = body_of(inbox.get(timeout=5))

    india = timezone(timedelta(hours=5, minutes=30))
    for name in ("start_at", "end_at", "date"):
        moment = datetime.strptime(body[name], "%Y-%m-%d %H:%M:%S").replace(tzinfo=india)
        assert abs(datetime.now(UTC) - moment) < timedelta(seconds=10)
    assert abs(datetime.now(UTC).timestamp() - int(body["unixtime"])) < 10
    assert 3 <= int(body["duration"]) <= 10


@pytest.mark.parametrize(
    ("behaviour", "word", "expected"),
    [
        ("busy", None, ("BUSY", "BUSY", "", "0")),
        ("decline", None, ("BUSY", "BUSY", "", "0")),
        ("no_answer", None, ("NOANSWER", "NOANSWER", "", "0")),
        ("hang_up_early", None, ("COMPLETED", "RECEIVED", "ANSWER", "1")),
        ("voicemail", None, ("COMPLETED", "RECEIVED", "ANSWER", "4")),
        ("answer", "RECEIVED", ("RECEIVED", "RECEIVED", "", "4")),
        ("answer", "MISSED", ("MISSED", "RECEIVED", "", "4")),
        ("answer", "CANCEL", ("CANCEL", "CANCEL", "", "0")),
        ("answer", "CONGESTION", ("CONGESTION", "CONGESTION", "", "0")),
        ("answer", "CHANUNAVAIL", ("CHANUNAVAIL", "CHANUNAVAIL", "", "0")),
        ("answer", "SOMETHING", ("SOMETHING", "SOMETHING", "", "0")),
    ],
)
def test_c2c_callback_has_status_of_both_legs(
    sandbox: RunningSandbox,
    inbox: Inbox,
    behaviour: str,
    word: str | None,
    expected: tuple[str, ...],
) -> None:
    """``status1`` is the callee's leg, ``status2`` the flow's."""
    set_behaviour(sandbox, behaviour, **({} if word is None else {"ends": word}))
    place_call(sandbox, C2C)

    body = body_of(inbox.get(timeout=5))

    assert tuple(body[name] for name in ("status", "status1", "status2", "duration")) == expected


def test_obd_callback_has_bare_status_and_set_duration(
    sandbox: RunningSandbox, inbox: Inbox
) -> None:
    """The option ``duration`` sets the length."""
    set_behaviour(sandbox, "answer", duration=42)
    place_call(sandbox, OBD)
    assert body_of(inbox.get(timeout=5))["duration"] == "42"

    set_behaviour(sandbox, "no_answer")
    place_call(sandbox, OBD)
    body = body_of(inbox.get(timeout=5))
    assert (body["status"], body["duration"]) == ("NOANSWER", "0")


def test_c2c_duration_limits_conversation(sandbox: RunningSandbox, inbox: Inbox) -> None:
    """The field counts minutes."""
    set_behaviour(sandbox, "answer", duration=600)
    place_call(sandbox, C2C | {"duration": "1"})

    assert body_of(inbox.get(timeout=5))["duration"] == "60"


def test_webhook_secret_is_sent_as_bearer(sandbox: RunningSandbox, inbox: Inbox) -> None:
    """A webhook without a secret gets no credential."""
    place_call(sandbox, OBD)
    subscribed = inbox.get(timeout=5)
    place_call(sandbox, OBD | {"webhook_id": "8"})
    named = inbox.get(timeout=5)

    assert (subscribed["path"], named["path"]) == ("/ack/receive", "/ack/receive/eight")
    assert subscribed["headers"]["Authorization"] == "Bearer s3cret"
    assert "Authorization" not in named["headers"]


def test_call_without_webhook_has_no_callback(
    start: Start, config: SandboxConfig, inbox: Inbox
) -> None:
    """Neither a webhook_id nor a subscription."""
    silent = start(replace(config, subscription=None))
    place_call(silent, OBD)

    assert silent.state.wait_until(lambda: silent.state.calls[0].callback_sent, 60)
    assert inbox.empty()


def test_callback_is_retried_until_200_or_202(
    sandbox: RunningSandbox, inbox: Inbox, webhook_replies: Answers
) -> None:
    """204 is a failure too; retries send the same bytes."""
    webhook_replies += [(500, b""), (204, b""), (202, b"")]
    place_call(sandbox, OBD)

    bodies = [inbox.get(timeout=5)["body"] for _ in range(3)]

    assert len(set(bodies)) == 1
    assert sandbox.state.wait_until(lambda: len(sandbox.state.callbacks.deliveries()) == 3, 60)
    listed = requests.get(f"{sandbox.url}/callbacks", timeout=5).json()
    assert [(entry["attempt"], entry["status"]) for entry in listed] == [
        (1, 500),
        (2, 204),
        (3, 202),
    ]
    assert [entry["body"] for entry in listed] == bodies
    assert listed[1]["sent_at"] - listed[0]["sent_at"] >= 0.02
    with pytest.raises(Empty):
        inbox.get(timeout=0.1)


def test_callback_is_abandoned_after_three_retries(
    sandbox: RunningSandbox, inbox: Inbox, webhook_replies: Answers
) -> None:
    """No further request is sent."""
    webhook_replies += [(500, b"")] * 10
    place_call(sandbox, OBD)

    for _ in range(4):
        inbox.get(timeout=5)
    with pytest.raises(Empty):
        inbox.get(timeout=0.1)


def test_callback_redirect_is_retried_not_followed(
    sandbox: RunningSandbox, inbox: Inbox, webhook_replies: Answers
) -> None:
    """The retry goes to the webhook's own URL."""
    webhook_replies += [(302, b""), (307, b"")]
    place_call(sandbox, OBD)

    messages = [inbox.get(timeout=5) for _ in range(3)]

    assert {(message["method"], message["path"]) for message in messages} == {
        ("POST", "/ack/receive")
    }


def test_callback_to_unreachable_webhook_is_retried(start: Start, config: SandboxConfig) -> None:
    """As after an error response."""
    deaf = start(
        replace(config, webhooks={"1": Webhook(uri="http://127.0.0.1:1/")}, subscription="1")
    )
    place_call(deaf, OBD)

    assert deaf.state.wait_until(lambda: len(deaf.state.callbacks.deliveries()) == 4, 60)
    deliveries = deaf.state.callbacks.deliveries()
    assert {delivery["status"] for delivery in deliveries} == {None}
    assert {delivery["error"] for delivery in deliveries} == {"ConnectionError"}


def test_no_callback_behaviour_sends_nothing(sandbox: RunningSandbox, inbox: Inbox) -> None:
    """The call ends as usual."""
    set_behaviour(sandbox, "no_callback")
    place_call(sandbox, OBD)

    assert sandbox.state.wait_until(lambda: sandbox.state.calls[0].callback_sent, 60)
    assert inbox.empty()


def test_late_callback_behaviour_delays_callback(sandbox: RunningSandbox, inbox: Inbox) -> None:
    """It can arrive after that of a newer call."""
    set_behaviour(sandbox, "late_callback", seconds=0.3)
    old = place_call(sandbox, OBD).json()["data"][0]["id"]
    set_behaviour(sandbox, "answer")
    new = place_call(sandbox, OBD).json()["data"][0]["id"]

    assert [body_of(inbox.get(timeout=5))["mid"] for _ in range(2)] == [new, old]


def test_duplicate_callback_behaviour_sends_equal_copies(
    sandbox: RunningSandbox, inbox: Inbox
) -> None:
    """Byte for byte; the number can be set."""
    set_behaviour(sandbox, "duplicate_callback", copies=10)
    place_call(sandbox, OBD)

    assert len({inbox.get(timeout=5)["body"] for _ in range(10)}) == 1


def test_early_callback_behaviour_sends_callback_before_reply(
    sandbox: RunningSandbox, inbox: Inbox
) -> None:
    """The webhook has it before the client has the reply."""
    set_behaviour(sandbox, "early_callback")

    call_id = place_call(sandbox, OBD).json()["data"][0]["id"]

    assert body_of(inbox.get_nowait())["mid"] == call_id


def test_replay_sends_callback_again(sandbox: RunningSandbox, inbox: Inbox) -> None:
    """Byte for byte; an unknown call has none."""
    call_id = place_call(sandbox, OBD).json()["data"][0]["id"]
    first = inbox.get(timeout=5)["body"]

    replay = f"{sandbox.url}/callbacks/replay"
    again = requests.post(replay, json={"call": call_id}, timeout=5)

    assert again.status_code == 202
    assert inbox.get(timeout=5)["body"] == first
    assert requests.post(replay, json={"call": "0"}, timeout=5).status_code == 404


def test_c2c_callback_echoes_mid_in_that_style(
    start: Start, config: SandboxConfig, inbox: Inbox
) -> None:
    """By default the vendor drops it."""
    place_call(start(config), C2C | {"mid": "call-81"})
    assert "mid" not in body_of(inbox.get(timeout=5))

    echoing = start(replace(config, reply_style=ReplyStyle(c2c_mid="echoed")))
    place_call(echoing, C2C | {"mid": "call-81"})
    assert body_of(inbox.get(timeout=5))["mid"] == "call-81"
