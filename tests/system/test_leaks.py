"""Sends secrets to every part of a service at DEBUG level, which repeats and stores none.

All processes run, on a store with a password and the shipped durability.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from redis import Redis
from support.companies import TOKEN, plivo, twiml
from support.processes import free_port
from support.stack import running_service
from support.valkey import DURABLE, Valkey
from system.leak_scenario import NUMBERS, OWN_CODE, SECRETS, SPELLED, STORE_PASSWORD, Life
from system.leaks import Leak, Scanner, everything_in

from otpvoice.store import TAG
from otpvoice.store.discovery import connect
from otpvoice_sandbox import RunningSandbox, SandboxConfig
from otpvoice_sandbox.twiml_vendors import TWIML_VENDORS


@pytest.fixture(scope="module")
def companies() -> Iterator[RunningSandbox]:
    """Run the telephone companies that speak texts."""
    config = SandboxConfig(token=TOKEN, ring_seconds=0.02, talk_seconds=0.02)
    with RunningSandbox(config) as running:
        yield running


@pytest.fixture(scope="module")
def life(
    environ: dict[str, str], companies: RunningSandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Life]:
    """Run the whole service."""
    folder, bind = tmp_path_factory.mktemp("store"), f"127.0.0.1:{free_port()}"
    with Valkey(folder, *DURABLE) as store, closing(Redis(port=store.port)) as plain:
        plain.config_set("requirepass", STORE_PASSWORD)
        url = store.url.replace("//", f"//:{STORE_PASSWORD}@") + "?socket_timeout=10"
        changes = {
            "OTPVOICE_REDIS_URL": url,
            "OTPVOICE_LOG_LEVEL": "debug",
            "OTPVOICE_VERIFICATION_CODE_LENGTH": "10",
            "OTPVOICE_NO_SUCH_SETTING": OWN_CODE,
            **plivo(companies.url),
        }
        for vendor in TWIML_VENDORS:
            changes |= twiml(vendor, companies.url, vendor)
        running = running_service(
            environ | changes,
            tmp_path_factory.mktemp("service"),
            OTPVOICE_SERVER_BIND=bind,
            OTPVOICE_SERVER_PUBLIC_URL=f"http://{bind}",
        )
        with running as stack, closing(connect(url, timeout_s=30)) as redis:
            yield Life(stack, store, redis)
            assert (stack.dialer.terminate(), stack.api.terminate()) == (0, 0)


@pytest.fixture(scope="module")
def kept(life: Life, companies: RunningSandbox) -> list[tuple[str, bytes]]:
    """Return the store's content at the end, with a pending verification."""
    life.proves_a_number()
    life.proves_numbers_with_codes_of_ours()
    life.proves_a_number_at_a_terminal()
    life.is_asked_for_nonsense()
    life.is_asked_in_no_http(life.talk)
    life.is_called_back()
    life.is_seen_through_another_server()
    life.is_called_by_other_companies(companies)
    life.is_refused_by_its_provider()
    kept = life.keeps()
    life.breaks()
    return kept


def test_scanner_finds_planted_secrets_in_text() -> None:
    """In each form and position, so that an empty result means something."""
    scanner = Scanner({"a secret": 'sec/ret+"~?'}, {"a code": OWN_CODE})
    sha = hashlib.sha256(OWN_CODE.encode())
    forms: tuple[str | bytes, ...] = (
        *(OWN_CODE, OWN_CODE[::-1], SPELLED, quote(SPELLED), " ".join(OWN_CODE)),
        *(json.dumps([*OWN_CODE]), OWN_CODE.encode().hex().upper(), sha.hexdigest(), sha.digest()),
        base64.b64encode(sha.digest()),
        base64.urlsafe_b64encode(sha.digest()),
        *(base64.b64encode(b"x" * n + OWN_CODE.encode() + b"y" * n) for n in range(5)),
        base64.b64encode(f'{{"code": "{OWN_CODE}"}}'.encode()),
        *('sec/ret+"~?', "sec%2Fret%2B%22~%3F", json.dumps({"x": 'sec/ret+"~?'})),
        *(hashlib.new(name, OWN_CODE.encode()).hexdigest() for name in ("md5", "sha1")),
    )
    for planted in forms:
        raw = planted if isinstance(planted, bytes) else planted.encode()
        assert scanner.scan("here", b"some " + raw + b" more"), planted
    assert scanner.scan("here", f"some {OWN_CODE[:-1]} more".encode()) == []


def test_scanner_finds_planted_secrets_in_the_store(redis: Redis) -> None:
    """In the name of a key, and in a value of each type."""
    redis.set(f"{TAG}string:{OWN_CODE}", "x")
    redis.hset(f"{TAG}hash", "x", f"x{OWN_CODE}")
    redis.hset(f"{TAG}field", OWN_CODE, "x")
    redis.rpush(f"{TAG}list", SPELLED)
    redis.sadd(f"{TAG}set", OWN_CODE.encode().hex())
    redis.zadd(f"{TAG}zset", {f"x {OWN_CODE}": 1})
    scanner = Scanner(codes={"a code": OWN_CODE})
    found = {leak.where for where, raw in everything_in(redis) for leak in scanner.scan(where, raw)}
    kinds = ("hash", "field", "list", "set", "zset")
    assert {f"{TAG}{kind}" for kind in kinds} <= found
    assert f"the name of {TAG}string:{OWN_CODE}" in found


def test_store_contains_no_plain_secret(life: Life, kept: list[tuple[str, bytes]]) -> None:
    """No key, no value and no line of the AOF contains codes, numbers or credentials."""
    assert any("verification" in where for where, _ in kept)
    assert _leaks(Scanner(SECRETS | NUMBERS | life.tokens, life.codes), kept) == []


@pytest.mark.usefixtures("kept")
def test_responses_repeat_no_secret(life: Life) -> None:
    """Neither does the terminal. The number is in its client's responses by contract."""
    statuses = {json.loads(said[said.index(b"}") + 1 :]).get("status") for said in _ours(life)}
    assert {400, 401, 404, 405, 409, 413, 415, 422, 500, "approved", "ok"} <= statuses
    assert _leaks(Scanner(SECRETS | life.tokens, life.codes), life.talk.responses) == []


@pytest.mark.usefixtures("kept")
def test_logs_contain_no_secret(life: Life) -> None:
    """Of any process, at DEBUG level."""
    logs = life.logs()
    assert {name for name, _ in logs} == {"api.log", "dialer.log", "wsgi.log"}
    anything = {"a path": "/canary-path", "a query": "canary-query", "a header": "canary-header"}
    assert _leaks(Scanner(SECRETS | NUMBERS | life.tokens | anything, life.codes), logs) == []


@pytest.mark.usefixtures("kept")
def test_logs_contain_the_events(life: Life) -> None:
    """As JSON lines with their ids."""
    assert not [name for name, text in life.logs() if b"[redacted]" in text]
    api, dialer = (_lines(life, name) for name in ("api.log", "dialer.log"))
    rounds = [line for line in dialer if line["event"] == "dialer.iteration_failed"]
    assert {line["error"] for line in rounds} == {"FunctionError"}
    (fault,) = (line for line in api if line["event"] == "request.failed")
    assert fault["error"] == "FunctionError"
    assert {"request.malformed", "callback.received", "http"} <= {line["event"] for line in api}
    assert {"settings.warning"} <= {line["event"] for line in _lines(life, "wsgi.log")}
    assert any(line.get("app") and line["client"] == "login" for line in api)
    about = {"verification", "client", "to", "number"}
    for line in [*api, *dialer]:
        if line["event"] in {"verification.created", "verification.checked", "call.sent"}:
            assert about <= {*line}
        if line["event"] == "callback.received" and line["outcome"] != "seen":
            assert "verification" in line
        if line.get("http_status") in {200, 201, 409} and "client" in line:
            assert "verification" in line


def _leaks(scanner: Scanner, found: Sequence[tuple[str, bytes]]) -> list[Leak]:
    return [leak for where, raw in found for leak in scanner.scan(where, raw)]


def _ours(life: Life) -> Iterator[bytes]:
    return (said for _, said in life.talk.responses if b"json" in said)


def _lines(life: Life, name: str) -> list[dict[str, Any]]:
    text = (life.stack.folder / name).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
