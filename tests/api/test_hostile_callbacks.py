"""Authenticated callbacks with any content: calls move only forward, and none approves.

``OTPVOICE_TEST_EXAMPLES`` sets the number of series of callbacks.
"""

import json
import os
from typing import Any
from urllib.parse import urlencode

from api.api_client import WEBHOOK, ApiClient, ManualDialer, bearer
from api.callback_samples import at_sample_time
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.callback_bodies import as_multipart
from support.service import ASHA, BRIDGE, PATH_TOKEN, WEBHOOK_SECRET

from otpvoice.core.verification import CALL_TRANSITIONS, CallStatus

EXAMPLES = int(os.environ.get("OTPVOICE_TEST_EXAMPLES", "30"))
CODE = "4711"
CALL, VERIFICATION = "the call's id", "the verification's id"
"""Placeholders for the current ids."""
STATUSES = st.sampled_from(
    ["ANSWER", "COMPLETED", "RECEIVED", "MISSED", "BUSY", "NOANSWER", "CANCEL", "CONGESTION",
     "CHANUNAVAIL", "Answered", "no answer", "CANCELLED", "Switched-Off", "BUSY_LEG1",
     "OUT OF ZONE", "answer", "approved", "canceled", "queued", "expired", "", "{{status}}"]
)  # fmt: skip
NUMBERS = st.sampled_from([ASHA, ASHA[1:], int(ASHA[1:]), BRIDGE, int(BRIDGE), "flow:24", 0])
TIMES = st.sampled_from(
    [
        "2021-04-09 16:27:39",
        "0001-01-01 00:00:00",
        "9999-12-31 23:59:59",
        "2021-04-09",
        1e400,
        -1,
        None,
        0,
        "0000-00-00 00:00:00",
        "09/04/2021 04:27:39 PM",
        1617965859,
        "1617965859000",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
MEANT = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from([CALL, VERIFICATION, "call_", "provider-1", "provider-1:1", "*"]),
        "mid": st.sampled_from([CALL, VERIFICATION, "provider-1", "provider-2"]),
        "source": st.sampled_from(["OBD", "C2C", "obd", "SMS"]),
        "bridge": NUMBERS,
        "from": NUMBERS,
        "to": NUMBERS,
        "status": STATUSES,
        "status1": STATUSES,
        "start_at": TIMES,
        "end_at": TIMES,
        "unixtime": TIMES,
        "duration": st.sampled_from(["23", 23, -1, "1e9", "9" * 5000, 10**400]),
        "approved": st.booleans(),
        "valid": st.booleans(),
        "code": st.just(CODE),
        "verification": st.just(VERIFICATION),
    },
)
MEMBERS = st.builds(
    lambda meant, wild: [*meant.items(), *wild],
    MEANT,
    st.lists(st.tuples(st.sampled_from(["id", "status", "to", "x", ""]), ANYTHING), max_size=3),
)
"""Pairs, because a name may occur twice."""
SHAPES = st.sampled_from(
    ["json", "comma", "form", "query", "padded", "deep", "cut", "multipart", "cut multipart",
     "list", "list in data", "event and payload", "text in multipart", "twice"]
)  # fmt: skip
CALLBACKS = st.tuples(st.sampled_from(["POST", "PUT", "GET"]), SHAPES, MEMBERS)


def as_json(members: list[tuple[str, Any]]) -> str:
    """Return an object that may have a member twice and words that are not JSON, as some providers
    send.
    """
    return "{" + ",".join(f"{json.dumps(name)}:{json.dumps(v)}" for name, v in members) + "}"


def shaped(shape: str, members: list[tuple[str, Any]]) -> tuple[bytes, str]:
    """Return body and query string."""
    text = as_json(members)
    query = urlencode(members, errors="replace")[:3000]
    parts = {name: str(value) for name, value in members}
    return {
        "json": (text.encode(), ""),
        "comma": (text.replace("}", ",}").encode(), ""),
        "form": (query.encode(), ""),
        "query": (b"", query),
        "padded": (text.encode().ljust(16 * 1024)[: 16 * 1024], query),
        "deep": (f'{{"x":{"[" * 7000}{"]" * 7000},{text[1:]}'.encode()[: 16 * 1024], ""),
        "cut": (text.encode()[:-1], ""),
        "multipart": (as_multipart(parts), query),
        "cut multipart": (as_multipart(parts)[: -len(query) - 9], ""),
        "list": (f"[{text}]".encode(), query),
        "list in data": (f'{{"status":"OK","data":[{text}]}}'.encode(), ""),
        "event and payload": (f'{{"event":"call","payload":{text}}}'.encode(), ""),
        "text in multipart": (as_multipart({"event": "call", "payload": text}), ""),
        "twice": (f"[{text},{text}]".encode(), ""),
    }[shape]


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(callbacks=st.lists(CALLBACKS, min_size=1, max_size=6), state=st.integers(0, 3))
@example([("POST", "json", [("id", CALL), ("status", word)]) for word in ("BUSY", "ANSWER")], 2)
@example([("POST", "json", [("id", CALL), ("status", "BUSY"), ("status", "ANSWER")])], 3)
@example([("GET", "query", [("id", CALL), ("status", "MISSED")])] * 2, 3)
@example([("PUT", "form", [("id", CALL), ("status", "ANSWER")])], 1)
def test_callbacks_of_any_content_move_calls_forward_only(
    api: ApiClient, dialer: ManualDialer, callbacks: list[tuple[str, str, Any]], state: int
) -> None:
    """200 or 400; only the transition table applies, and only the code approves."""
    at_sample_time(api)
    created = api.create(code=CODE)
    call_id = created["calls"][0]["id"]
    for step in (dialer.claim, dialer.send, dialer.place)[state - 1 : state] if state else ():
        step()
    before = api.get_verification(created)
    ids = {CALL: call_id, VERIFICATION: created["id"]}
    for method, shape, members in callbacks:
        named = [(name, ids.get(v, v) if isinstance(v, str) else v) for name, v in members]
        body, query = shaped(shape, named)
        response = api.client.open(
            f"{WEBHOOK}/{PATH_TOKEN}" if len(members) % 2 else WEBHOOK,
            method=method,
            data=body,
            query_string=query,
            headers=bearer(WEBHOOK_SECRET),
        )
        assert response.status_code in {200, 400}, response.text
        after = api.get_verification(created)
        assert_moved_as_allowed(before, after)
        assert state >= 2 or after["calls"] == before["calls"], "nothing was sent yet"
        before = after
    assert api.check(created, CODE).get_json()["valid"] is True
    api.advance_time(7200)


def assert_moved_as_allowed(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Assert that it is pending with all checks, and each call moved at most one step."""
    assert (after["status"], after["reason"], after["checks_left"]) == ("pending", None, 5)
    assert after["expires_at"] == before["expires_at"]
    assert [c["id"] for c in after["calls"]][: len(before["calls"])] == [
        c["id"] for c in before["calls"]
    ]
    for old, new in zip(before["calls"], after["calls"], strict=False):
        was, now = CallStatus(old["status"]), CallStatus(new["status"])
        assert now is was or now in CALL_TRANSITIONS[was], (was, now)
