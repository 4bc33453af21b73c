"""Callbacks over HTTP: every format ends the right call, and only forward."""

import json

import pytest
from api.api_client import (
    WEBHOOK,
    ApiClient,
    ManualDialer,
    StartApi,
    assert_problem,
    bearer,
)
from api.callback_samples import (
    AN_HOUR_OFF,
    C2C_AS_FORM,
    C2C_AS_INTEGERS,
    C2C_AS_STRINGS,
    C2C_TRAILING_COMMA,
    C2C_WITH_PLUS,
    OBD,
    OBD_AS_STRINGS,
    PERSON,
    at_sample_time,
    deliver,
    is_received,
    last_call,
)
from structlog.testing import capture_logs
from support.callback_bodies import ENCODINGS, Encode, as_form, as_json, as_multipart
from support.service import ASHA, PATH_TOKEN, WEBHOOK_SECRET


@pytest.mark.parametrize(
    "raw", [C2C_AS_INTEGERS, C2C_AS_STRINGS, C2C_WITH_PLUS, C2C_TRAILING_COMMA, C2C_AS_FORM]
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_c2c_callback_matches_the_live_call(
    api: ApiClient, dialer: ManualDialer, raw: bytes, method: str, content_type: str | None
) -> None:
    """It has no id: the one live call of caller line and number was answered."""
    at_sample_time(api)
    created = api.create(PERSON, route="c2c")
    dialer.place()
    assert is_received(deliver(api, raw, method, content_type=content_type))
    call = last_call(api, created)
    assert (call["status"], call["reason"], call["duration"]) == ("answered", None, 23)
    assert call["ended_at"] is not None
    assert api.get_verification(created)["status"] == "pending"


@pytest.mark.parametrize("raw", [OBD, OBD_AS_STRINGS])
def test_obd_callback_matches_the_provider_id(
    api: ApiClient, dialer: ManualDialer, raw: bytes
) -> None:
    """``mid`` is the id of the provider's reply, with or without the ``:1`` of older ones."""
    created = api.create(PERSON)
    dialer.place("1234-1333-54321")
    assert is_received(deliver(api, raw.replace(b"54321", b"54321:1")))
    call = last_call(api, created)
    assert (call["status"], call["duration"]) == ("answered", 23)


def test_obd_callback_with_unknown_mid_matches_by_number_and_time(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """The provider's id of the call is not known yet."""
    at_sample_time(api)
    created = api.create(PERSON)
    dialer.place()
    assert is_received(deliver(api, OBD))
    assert last_call(api, created)["status"] == "answered"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_callback_in_the_query_is_applied(
    api: ApiClient, dialer: ManualDialer, method: str
) -> None:
    """The body is empty."""
    created = api.create()
    claim = dialer.place()
    query = {"id": claim.call_id, "status": "busy", "duration": "0"}
    assert is_received(deliver(api, b"", method, content_type=None, query_string=query))
    assert last_call(api, created)["status"] == "busy"


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("ANSWER", "answered", None),
        ("COMPLETED", "answered", None),
        ("RECEIVED", "answered", None),
        ("BUSY", "busy", None),
        ("NOANSWER", "no_answer", None),
        ("CANCEL", "no_answer", "hung_up_before_answer"),
        ("CONGESTION", "failed", None),
        ("CHANUNAVAIL", "failed", None),
        ("MISSED", "unknown", None),
        ("SOMETHING NEW", "unknown", None),
        ("", "unknown", None),
    ],
)
def test_status_words_of_the_provider_map_to_call_statuses(
    api: ApiClient, dialer: ManualDialer, word: str, status: str, reason: str | None
) -> None:
    """An unclear word is ``unknown``, never ``no_answer``."""
    created = api.create()
    claim = dialer.place()
    assert is_received(api.send_callback(id=claim.call_id, status=word))
    call = last_call(api, created)
    assert (call["status"], call["reason"]) == (status, reason)
    assert (call["ended_at"] is None) == (status == "unknown")


def test_callback_repeated_is_applied_once(api: ApiClient, dialer: ManualDialer) -> None:
    """Every copy is acknowledged."""
    at_sample_time(api)
    created = api.create(PERSON, route="c2c")
    dialer.place()
    assert is_received(deliver(api, C2C_AS_INTEGERS))
    after_one = api.get_verification(created)
    assert all(is_received(deliver(api, C2C_AS_INTEGERS)) for _ in range(9))
    assert api.get_verification(created) | {"expires_in": 0} == after_one | {"expires_in": 0}


def test_callback_with_path_token_is_accepted(api: ApiClient, dialer: ManualDialer) -> None:
    """Some providers cannot send headers."""
    created = api.create()
    claim = dialer.place()
    body = {"id": claim.call_id, "status": "NOANSWER"}
    assert is_received(api.client.post(f"{WEBHOOK}/{PATH_TOKEN}", json=body))
    assert last_call(api, created)["status"] == "no_answer"


@pytest.mark.parametrize(
    "raw",
    [
        AN_HOUR_OFF,
        C2C_AS_INTEGERS.replace(b'"start_at":"2021-04-09 16:27:39",', b""),
        C2C_AS_INTEGERS.replace(b"2021-04-09 16:27:39", b"yesterday"),
        C2C_AS_INTEGERS.replace(b'"from":918919525224', b'"from":918919525225'),
        C2C_AS_INTEGERS.replace(b'"bridge":918068280000', b'"bridge":918068280001'),
        C2C_AS_INTEGERS.replace(b'"source":"C2C"', b'"source":"OBD"'),
    ],
)
def test_unmatched_callback_changes_nothing(
    api: ApiClient, dialer: ManualDialer, raw: bytes
) -> None:
    """Another time, number, caller line or route, and no id."""
    at_sample_time(api)
    created = api.create(PERSON, route="c2c")
    dialer.place()
    before = api.get_verification(created)
    assert is_received(deliver(api, raw))
    assert api.get_verification(created)["version"] == before["version"]


def test_late_callback_ends_its_own_call_only(api: ApiClient, dialer: ManualDialer) -> None:
    """By its id; without one it matches none."""
    at_sample_time(api)
    old = api.create(PERSON, route="c2c")
    claim = dialer.place()
    api.advance_time(90 * 60)
    newer = api.create(PERSON, route="c2c")
    dialer.place()
    assert is_received(deliver(api, C2C_AS_INTEGERS))
    assert last_call(api, newer)["status"] == "placed"
    assert is_received(api.send_callback(id=claim.call_id, status="NOANSWER"))
    assert last_call(api, old)["status"] == "no_answer"
    assert last_call(api, newer)["status"] == "placed"


@pytest.mark.parametrize("wrap", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize(
    "content_type",
    ["application/json", "multipart/form-data", "application/x-www-form-urlencoded", None],
)
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
    body = {"id": claim.call_id, "status": "SWITCHED OFF"}
    headers = {**bearer(WEBHOOK_SECRET), "Content-Type": "multipart/form-data"}
    assert is_received(api.client.open(WEBHOOK, method=method, data=body, headers=headers))
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


def test_callback_with_configured_status_word_is_applied(
    start_api: StartApi, dialer: ManualDialer
) -> None:
    """An operator adds the word that the log named, in any spelling."""
    api = start_api(provider_status_words="OUT OF ZONE=failed")
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


def test_callback_of_a_declined_call_logs_the_declines(
    api: ApiClient, dialer: ManualDialer
) -> None:
    """Each busy call may have been declined; other lines have no count."""
    api.create()
    with capture_logs() as lines:
        claim = dialer.place()
        api.send_callback(id=claim.call_id, status="BUSY")
        api.send_callback(id=claim.call_id, status="BUSY", duration="1")
    received = [line for line in lines if line["event"] == "callback.received"]
    assert [line["declines"] for line in received] == [1, None]


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
