"""Callbacks in every body, envelope, status word and time format, and those that are rejected."""

import json
from typing import Any

import pytest
from api.api_client import WEBHOOK, ApiClient, ManualDialer, assert_problem, bearer, settings_with
from api.callback_samples import PERSON, at_sample_time, deliver, is_received, last_call
from structlog.testing import capture_logs
from support.callback_bodies import ENCODINGS, Encode, as_form, as_json, as_multipart
from support.service import ASHA, WEBHOOK_SECRET

from otpvoice.app import create_app
from otpvoice.core.verification import CallStatus
from otpvoice.store.redis_store import RedisStore

TYPES = ["application/json", "multipart/form-data", "application/x-www-form-urlencoded", None]
BUSY_WITHOUT_START = {
    "bridge": 918068280000,
    "from": int(PERSON[1:]),
    "to": "flow:220",
    "source": "C2C",
    "start_at": None,
    "end_at": "2021-04-09 16:27:55",
    "duration": "0",
    "status": "BUSY",
}


@pytest.mark.parametrize("wrap", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("content_type", TYPES)
def test_callback_in_any_format_ends_its_call(
    api: ApiClient, dialer: ManualDialer, wrap: Encode, content_type: str | None
) -> None:
    """The operator's template and the Content-Type do not matter."""
    created = api.create()
    claim = dialer.place("70fa87e0")
    body = wrap({"id": "70fa87e0:1", "to": ASHA, "status": "No-Answer", "duration": "0"})
    assert is_received(deliver(api, body, content_type=content_type))
    assert last_call(api, created)["status"] == "no_answer"
    assert last_call(api, created)["id"] == claim.call_id


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_callback_as_multipart_ends_its_call(
    api: ApiClient, dialer: ManualDialer, method: str
) -> None:
    """As a real client sends it, with its own boundary and Content-Type."""
    created = api.create()
    claim = dialer.place()
    response = api.client.open(
        WEBHOOK,
        method=method,
        data={"id": claim.call_id, "status": "SWITCHED OFF"},
        content_type="multipart/form-data",
        headers=bearer(WEBHOOK_SECRET),
    )
    assert is_received(response)
    assert last_call(api, created)["status"] == "failed"


def test_callback_with_several_messages_applies_each(api: ApiClient, dialer: ManualDialer) -> None:
    """One callback ends two calls; a repetition changes nothing."""
    asha = api.create()
    hers = dialer.place()
    person = api.create(PERSON)
    theirs = dialer.place()
    body = as_json(
        [{"id": hers.call_id, "status": "BUSY"}, {"id": theirs.call_id, "status": "CANCELLED"}]
    )
    for _ in range(2):
        assert is_received(deliver(api, body))
        assert last_call(api, asha)["status"] == "busy"
        assert last_call(api, person)["status"] == "no_answer"


def test_callback_with_one_unreadable_message_applies_none(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """It returns 400, so that a repetition is applied as a whole."""
    created = api.create()
    claim = dialer.place()
    body = as_json([{"id": claim.call_id, "status": "BUSY"}, {"status": "BUSY"}])
    assert_problem(deliver(api, body), 400, "invalid_request")
    assert last_call(api, created)["status"] == "placed"


# Calls without a start


@pytest.mark.parametrize("start", [None, "", "0000-00-00 00:00:00", 0, "-"])
@pytest.mark.parametrize(
    "ends",
    [
        {"end_at": "2021-04-09 16:27:55"},
        {"end_at": None, "date": "09/04/2021 04:27:55 PM"},
        {"end_at": "0000-00-00 00:00:00", "unixtime": "1617965875"},
        {"end_at": "2021-04-09T16:27:55+05:30", "unixtime": "1653455555"},
    ],
)
@pytest.mark.parametrize(
    ("word", "status"), [("BUSY", "busy"), ("NO ANSWER", "no_answer"), ("CONGESTION", "failed")]
)
@pytest.mark.parametrize("provider_id", [None, "5555-6666"])
def test_callback_without_id_and_start_matches_by_end(
    api: ApiClient,
    dialer: ManualDialer,
    start: object,
    ends: dict[str, Any],
    word: str,
    status: str,
    provider_id: str | None,
) -> None:
    """An unanswered call has no start, so its end identifies it."""
    at_sample_time(api)
    created = api.create(PERSON, route="c2c")
    dialer.place(provider_id)
    body = BUSY_WITHOUT_START | {"start_at": start, "status": word} | ends
    assert is_received(deliver(api, as_json(body)))
    assert last_call(api, created)["status"] == status


@pytest.mark.parametrize(
    "change",
    [
        {"end_at": None},
        {"end_at": "0000-00-00 00:00:00", "date": "", "unixtime": 0},
        {"end_at": "2021-04-09 16:25:29"},
        {"end_at": "2021-04-09 16:35:00"},
        {"start_at": "2021-04-09 15:27:39"},
        {"status": "ANSWER", "duration": "23"},
        {"status": "COMPLETED", "status1": "RECEIVED"},
        {"status": "SOMETHING"},
        {"from": "918919525225"},
        {"bridge": "918068280001"},
        {"source": "OBD"},
    ],
)
def test_callback_without_id_and_matching_time_is_unmatched(
    api: ApiClient, dialer: ManualDialer, change: dict[str, Any]
) -> None:
    """A missing time, another time, an answer or another call changes nothing."""
    at_sample_time(api)
    created = api.create(PERSON, route="c2c")
    dialer.place()
    body = {**BUSY_WITHOUT_START, "to": PERSON[1:], **change}
    assert is_received(deliver(api, as_json(body)))
    assert last_call(api, created)["status"] == "placed"


def test_callback_without_start_does_not_end_newer_call(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """The end of a call an hour ago belongs to another call."""
    at_sample_time(api)
    api.create(PERSON, route="c2c")
    dialer.place()
    api.advance_time(3600)
    newer = api.create(PERSON, route="c2c")
    dialer.place()
    assert is_received(deliver(api, as_json(BUSY_WITHOUT_START)))
    assert last_call(api, newer)["status"] == "placed"


@pytest.mark.parametrize(
    "start",
    [
        "09/04/2021 16:27:39",
        "2021/04/09 16:27:39",
        "2021-04-09T10:57:39Z",
        "09/04/2021 04:27:39 PM",
        "2021-04-09 16:27:39 IST",
        1617965859,
        "1617965859",
        1617965859000,
        "1617965859000",
    ],
)
def test_callback_start_in_any_format_matches(
    api: ApiClient, dialer: ManualDialer, start: object
) -> None:
    """Without an id, the start must be understood, also of an answered call."""
    at_sample_time(api)
    created = api.create(PERSON, route="c2c")
    dialer.place()
    body = BUSY_WITHOUT_START | {"start_at": start, "status": "ANSWERED", "duration": "23"}
    assert is_received(deliver(api, as_json(body)))
    assert last_call(api, created)["status"] == "answered"


# Before the provider's reply


@pytest.mark.parametrize("word", ["BUSY", "ANSWER"])
def test_callback_before_reply_is_applied_with_the_reply(
    api: ApiClient, dialer: ManualDialer, word: str
) -> None:
    """The recommended template arrives before the reply that names its id."""
    created = api.create()
    claim = dialer.send()
    news = {"id": "70fa87e0", "to": ASHA, "status": word, "duration": "0"}
    assert is_received(api.send_callback(**news))
    assert last_call(api, created)["status"] == "dialing"
    status = {"BUSY": "busy", "ANSWER": "answered"}[word]
    assert dialer.record(claim, CallStatus.PLACED, provider_id="70fa87e0") == status
    assert last_call(api, created)["status"] == status
    assert api.get_verification(created)["status"] == "pending"


# Status words


def test_callback_with_configured_status_word_is_applied(
    environ: dict[str, str], store: RedisStore, dialer: ManualDialer
) -> None:
    """An operator adds the word that the log named, in any spelling."""
    store.sweep("a dialer")
    settings = settings_with(environ, provider_status_words="OUT OF ZONE=failed")
    api = ApiClient(create_app(settings, store), store)
    created = api.create()
    claim = dialer.place()
    assert is_received(api.send_callback(id=claim.call_id, status="out-of-zone"))
    assert last_call(api, created)["status"] == "failed"


@pytest.mark.parametrize(
    ("word", "logged"),
    [
        ("OUT OF ZONE", "OUT OF ZONE"),
        ("call 919876543210 lost", "call … lost"),
        ("MISSED", None),
        ("BUSY", None),
        ("", None),
    ],
)
def test_callback_with_unknown_status_word_is_logged(
    api: ApiClient, dialer: ManualDialer, word: str, logged: str | None
) -> None:
    """The log has the word without numbers, and its call. Known words are not logged."""
    api.create()
    claim = dialer.place()
    with capture_logs() as lines:
        api.send_callback(id=claim.call_id, status=word)
    unknown = [line for line in lines if line["event"] == "call.unknown_status_word"]
    assert [(line["provider_status"], line["call"]) for line in unknown] == (
        [(logged, claim.call_id)] if logged else []
    )


# Unreadable callbacks


@pytest.mark.parametrize(
    ("body", "detail", "members"),
    [
        (as_json({"event": "x", "payload": {"a": 1}}), "names no call", ["payload.a: number of 1"]),
        (as_multipart({"status": "BUSY"}), "names no call", ["status: text of 4 characters"]),
        (as_form({"status": "BUSY"}), "names no call", ["status: text of 4 characters"]),
        (b"[5]", "no message about a call", ["[0]: number of 1 digits"]),
        (b"hello", "neither JSON nor a form", ["neither JSON nor a form, 5 bytes"]),
        (b'{"to": 919876543210', "not JSON", ["neither JSON nor a form, 19 bytes"]),
        (b"\xff", "neither JSON nor a form", ["neither JSON nor a form, 1 bytes"]),
        (b'{"\xff": 1}', "not UTF-8", ["neither JSON nor a form, 8 bytes"]),
    ],
)
def test_callback_unreadable_returns_400_and_is_logged(
    api: ApiClient, body: bytes, detail: str, members: list[str]
) -> None:
    """The response says what is missing; the log has the structure without any value."""
    with capture_logs() as lines:
        response = deliver(api, body, query_string={"secret-looking-4711": "canary"})
    assert detail in assert_problem(response, 400, "invalid_request")["detail"]
    (line,) = [line for line in lines if line["event"] == "callback.malformed"]
    assert detail in line["reason"]
    assert any(each.startswith(members[0]) for each in line["members"])
    assert line["content_type"] == "application/json"
    assert line["query_members"] == ["[text of 19 characters]"]
    logged = json.dumps(line)
    assert not any(value in logged for value in ("919876543210", "BUSY", "canary", "4711"))
