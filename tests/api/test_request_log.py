"""The log of the API's process: one line for each request, and no secret."""

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from api.api_client import VERIFICATIONS, WEBHOOK
from redis import Redis
from support.raw_http import chunked, head, post
from support.service import LOGIN_KEY, PATH_TOKEN, VALIDATION_KEY, WEBHOOK_SECRET
from support.stack import ApiProcess, running_api

from otpvoice.store.discovery import connect
from otpvoice.store.redis_store import RedisStore

NUMBER = "+919812345678"
CODE = "73519046"
CANARIES = {
    "the number": NUMBER.removeprefix("+"),
    "the number without its calling code": NUMBER.removeprefix("+91"),
    "the code": CODE,
    "a wrong code": "64208153",
    "a malformed code": "13579-canary",
    "the name": "Canarynamed",
    "the address": "203.0.113.77",
    "the reference": "canary-reference",
    "the API key": LOGIN_KEY,
    "a wrong API key": "canary-wrong-key",
    "the webhook's secret": WEBHOOK_SECRET,
    "a wrong secret": "canary-wrong-secret",
    "the path token": PATH_TOKEN,
    "a wrong path token": "canary-wrong-path-token",
    "the validation key": VALIDATION_KEY,
    "the challenge": "canary-challenge",
    "an id in a path": "vrf_canary",
    "a word in a path": "canary-path",
    "a query": "canary-query",
    "a header": "canary-header",
    "a body": "canary-body",
}
ROUTES = {
    "-",
    "/healthz",
    "/readyz",
    "/v1/verifications",
    "/v1/verifications/<verification_id>",
    "/v1/verifications/<verification_id>/checks",
    "/v1/verifications/<verification_id>/calls",
    "/v1/verifications/<verification_id>/cancel",
    "/v1/verifications/<verification_id>/approve",
    "/v1/checks",
    "/v1/approvals",
    "/v1/lookups",
    "/webhooks/mobtexting",
    "/webhooks/mobtexting/<path_token>",
}
BY_NUMBER: dict[str, dict[str, str]] = {
    "/v1/lookups": {},
    "/v1/checks": {"code": CODE},
    "/v1/approvals": {"reference": "canary-reference"},
}


class Talk:
    """A dialogue of client and provider with canaries in all places."""

    def __init__(self, served: ApiProcess) -> None:
        self._served = served
        self.answers: list[tuple[str, int]] = []
        """Request ids and statuses."""
        self.receipt = ""

    def send(self, method: str, target: str, body: Any = None, key: str = LOGIN_KEY) -> Any:
        """Send one request and return the JSON of its response."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
        request = head(
            f"{method} {target} HTTP/1.1",
            f"Authorization: Bearer {key}",
            "Content-Type: application/json",
            "User-Agent: canary-header",
            "Referer: https://canary-header/",
            f"Content-Length: {len(raw)}",
        )
        with self._served.connect() as connection:
            connection.send(request, raw)
            reply = connection.read_response(method)
        self.answers.append((reply.headers["request-id"], reply.status))
        return reply.document

    def as_client(self) -> None:
        """Run a verification's whole life, with every error."""
        create = {
            "to": NUMBER,
            "code": CODE,
            "name": "Canarynamed",
            "ip": "203.0.113.77",
            "reference": "canary-reference",
        }
        pending = self.send("POST", VERIFICATIONS, create)
        one = f"{VERIFICATIONS}/{pending['id']}"
        self.send("POST", VERIFICATIONS, create)
        self.send("GET", f"{one}?code={CODE}&x=canary-query")
        self.send("POST", f"{one}/checks", {"code": "64208153"})
        self.send("POST", f"{one}/checks", {"code": "13579-canary"})
        self.send("POST", f"{one}/checks", {"code": CODE[:6]})
        self.send("POST", f"{one}/calls", {"route": "canary-body"})
        self.send("POST", f"{one}/calls")
        self.receipt = self.send("POST", f"{one}/checks", {"code": CODE})["receipt"]
        self.send("POST", f"{one}/checks", {"code": CODE})
        self.send("POST", f"{one}/cancel")
        self.send("POST", f"{one}/approve")
        for path, members in BY_NUMBER.items():
            self.send("POST", path, {"to": NUMBER, **members})
            self.send("POST", path, {"to": "+919812345679", **members})
            self.send("POST", path, {"to": f"{NUMBER};ext=canary-body", **members})
            self.send("POST", f"{path}?to={NUMBER}&code={CODE}", {"canary-body": NUMBER})
            self.send("GET", f"{path}/{quote(NUMBER)}")
        for wrong in (f"{NUMBER}99", NUMBER.removeprefix("+"), f"{NUMBER};ext=canary-body"):
            self.send("POST", VERIFICATIONS, create | {"to": wrong})
        self.send("POST", VERIFICATIONS, create | {"canary-body": NUMBER})
        self.send("POST", VERIFICATIONS, b'{"to": "+919812345678", canary-body')
        self.send("POST", VERIFICATIONS, f'{{"x": "canary-body {"y" * 20_000}"}}'.encode())
        self.send("POST", VERIFICATIONS, create, key="canary-wrong-key")
        self.send("GET", f"{VERIFICATIONS}/vrf_canary")
        self.send("GET", f"/{quote(CODE)}/canary-path?canary-query={NUMBER}")
        self.send("DELETE", f"{VERIFICATIONS}/vrf_canary?canary-query")

    def as_provider(self, call_id: str) -> None:
        """Send callbacks and challenges, genuine, forged and unmatched."""
        news = {"from": NUMBER, "to": NUMBER, "bridge": "918068280000", "source": "C2C"}
        for path, key in [
            (WEBHOOK, WEBHOOK_SECRET),
            (f"{WEBHOOK}/{PATH_TOKEN}", "x"),
            (WEBHOOK, "canary-wrong-secret"),
            (f"{WEBHOOK}/canary-wrong-path-token", "x"),
        ]:
            self.send("POST", path, news | {"status": "BUSY"}, key)
            self.send("POST", path, news | {"id": call_id, "status": "ANSWER"}, key)
            self.send("GET", f"{path}?status=BUSY&to={NUMBER}&x=canary-query", key=key)
            self.send("POST", path, b"{canary-body", key)
            self.send("POST", path, {"recording_url": "https://x/canary-body"}, key)
        for key in (VALIDATION_KEY, "canary-wrong-key"):
            challenge = {"validation_key": key, "challenge": "canary-challenge"}
            self.send("POST", f"{WEBHOOK}?token={key}", challenge, "canary-wrong-secret")


@pytest.fixture(scope="module")
def talk_and_log(
    environ: dict[str, str], redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Talk, str]:
    """Return the dialogue and the process's whole log, at the most verbose level."""
    client = connect(redis_url, timeout_s=30)
    client.flushdb()
    RedisStore(client).sweep("a dialer")
    folder = tmp_path_factory.mktemp("api")
    with running_api(environ, folder, OTPVOICE_LOG_LEVEL="debug") as served:
        talk = Talk(served)
        talk.as_client()
        call_id = next(client.scan_iter("*call:call_*")).decode().rpartition(":")[2]
        talk.as_provider(call_id)
        _damage(client)
        talk.send("GET", f"{VERIFICATIONS}/{_known_id(client)}")
    client.close()
    return talk, served.process.output()


def test_log_contains_no_canary(talk_and_log: tuple[Talk, str]) -> None:
    """Neither plain nor escaped."""
    _, log = talk_and_log
    assert "verification.created" in log
    escaped = {what: quote(secret) for what, secret in CANARIES.items()}
    found = [what for what in CANARIES if CANARIES[what] in log or escaped[what] in log]
    assert found == []


def test_log_contains_no_receipt(talk_and_log: tuple[Talk, str]) -> None:
    """And there was nothing to redact."""
    talk, log = talk_and_log
    assert "verification.checked" in log
    assert not [part for part in ("eyJ", "[jwt]", *talk.receipt.split(".")) if part in log]


def test_log_has_a_line_for_every_response(talk_and_log: tuple[Talk, str]) -> None:
    """Method, route, status, duration, id and event, never the path."""
    talk, log = talk_and_log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    access = [line for line in lines if "http_status" in line]
    assert [(line["request_id"], line["http_status"]) for line in access] == talk.answers
    assert {line["route"] for line in access} <= ROUTES
    assert all(line["duration_ms"] >= 0 and line["timestamp"].endswith("Z") for line in access)
    assert {line.get("client") for line in access} == {"login", None}
    assert {500, 400, 401, 404, 405, 409, 413, 422} <= {line["http_status"] for line in access}
    assert {"http", "verification.created", "verification.checked"} <= {
        line["event"] for line in access
    }


def test_log_lines_are_json(talk_and_log: tuple[Talk, str]) -> None:
    """Every line."""
    _, log = talk_and_log
    assert all(json.loads(line)["event"] for line in log.splitlines())


def test_log_masks_numbers(talk_and_log: tuple[Talk, str]) -> None:
    """Recognizable, but not callable."""
    _, log = talk_and_log
    created = next(line for line in log.splitlines() if "verification.created" in line)
    assert json.loads(created)["to"] == "+91******5678"


def test_log_has_one_id_for_each_number(talk_and_log: tuple[Talk, str]) -> None:
    """Eight letters, the same for requests and callbacks."""
    _, log = talk_and_log
    lines = [json.loads(line) for line in log.splitlines()]
    about = [line for line in lines if line.get("to") == "+91******5678"]
    assert {"verification.created", "callback.received"} <= {line["event"] for line in about}
    (name,) = {line["number"] for line in about}
    assert re.fullmatch(r"[A-Za-z]{8}", name)


def test_log_has_unmatched_and_unauthorized_callbacks(talk_and_log: tuple[Talk, str]) -> None:
    """For operators."""
    _, log = talk_and_log
    events = {json.loads(line)["event"] for line in log.splitlines()}
    assert {
        "callback.unmatched",
        "callback.unauthorized",
        "callback.malformed",
        "callback.received",
        "callback.challenge",
        "request.failed",
    } <= events


@pytest.fixture(scope="module")
def strange_log(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the log of a process that received malformed HTTP and a wrongly composed webhook."""
    with running_api(environ, tmp_path_factory.mktemp("api")) as served:
        for request_line in (
            f"GET {WEBHOOK}/{PATH_TOKEN}?to={NUMBER} canary-query HTTP/1.1",
            f"GET {WEBHOOK}/{PATH_TOKEN}?name=\xe9&x=canary-query HTTP/1.1",
            f"GET {VERIFICATIONS}/vrf_canary",
            f"get {VERIFICATIONS}/vrf_canary HTTP/1.1",
        ):
            assert served.send(head(request_line)).status in {400, 405}
        broken = post("Transfer-Encoding: chunked", f"X: {CODE}\x00")
        assert served.send(broken, chunked(b"canary-body", 3)).status == 400
        news = {"id": "x", "status": f"BUSY {NUMBER}"}
        Talk(served).send("POST", WEBHOOK, news, WEBHOOK_SECRET)
    return served.process.output()


def test_malformed_http_is_not_quoted_in_the_log(strange_log: str) -> None:
    """The server rejects it before the application sees it."""
    servers = "\n".join(line for line in strange_log.splitlines() if line[:1] != "{")
    assert [what for what, secret in CANARIES.items() if secret in servers] == []


def test_status_word_with_a_number_is_redacted(strange_log: str) -> None:
    """A webhook template with the number in its status."""
    ours = "\n".join(line for line in strange_log.splitlines() if line[:1] == "{")
    assert "callback.unmatched" in ours
    assert NUMBER.removeprefix("+") not in ours


def _known_id(client: Redis) -> str:
    (key,) = client.scan_iter("*verification:vrf_*")
    return str(key.decode()).rpartition(":")[2]


def _damage(client: Redis) -> None:
    key = next(client.scan_iter("*verification:vrf_*"))
    client.hset(key, "encrypted_number", f"{NUMBER} {CODE} canary-body")
