"""Drivers of the API's tests: a client of the API in this process, and a dialer moved by hand."""

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Flask
from flask.testing import FlaskClient
from support.service import ASHA, BANK_KEY, LOGIN_KEY, RING_KEY, WEBHOOK_SECRET
from werkzeug.test import TestResponse

from otpvoice.core.keys import KeyRing, decrypt_number, decrypt_speech, decrypt_transaction
from otpvoice.core.speech import Gate
from otpvoice.core.verification import CallReason, CallStatus
from otpvoice.settings import Settings, load
from otpvoice.store.models import CallResult, Claim
from otpvoice.store.redis_store import RedisStore

VERIFICATIONS: Final = "/v1/verifications"
WEBHOOK: Final = "/webhooks/mobtexting"
UNKNOWN: Final = "vrf_" + "0" * 32
"""A well-formed id without a verification."""
JSON: Final = "application/json"
PROBLEM_MEMBERS: Final = frozenset({"type", "title", "status", "detail", "instance", "code"})
EVIDENCE: Final = frozenset({"errors", "limit", "retry_after", "verification"})


def settings_with(environ: Mapping[str, str], **changes: str | None) -> Settings:
    """Return the tests' settings with changed fields, such as ``limits_regions="US"``.

    A field that is None is not set.
    """
    given = {**environ, **{f"OTPVOICE_{name.upper()}": value for name, value in changes.items()}}
    return load({name: value for name, value in given.items() if value is not None}).settings


def bearer(credential: str) -> dict[str, str]:
    """Return the header that carries a credential."""
    return {"Authorization": f"Bearer {credential}"}


def assert_problem(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Assert that the response is a complete problem document, and return it."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    body: dict[str, Any] = response.get_json()
    assert body.keys() >= PROBLEM_MEMBERS
    assert body.keys() - PROBLEM_MEMBERS <= EVIDENCE
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"https://otp.example.com/docs/errors#{code}"
    assert body["instance"] == f"urn:request:{response.headers['Request-Id']}"
    assert all(isinstance(body[text], str) and body[text] for text in ("title", "detail"))
    assert ("retry_after" in body) == (status in {429, 503})
    retry_after = response.headers.get("Retry-After")
    assert retry_after == (str(body["retry_after"]) if status in {429, 503} else None)
    assert (response.headers.get("WWW-Authenticate") == "Bearer") == (status == 401)
    assert ("Allow" in response.headers) == (status == 405)
    return body


def pointers(body: dict[str, Any]) -> list[str]:
    """Return the members that a problem document names."""
    assert all(isinstance(fault["detail"], str) and fault["detail"] for fault in body["errors"])
    return [fault["pointer"] for fault in body["errors"]]


class ApiClient:
    """A client of the API in this process, with one API key."""

    def __init__(self, app: Flask, store: RedisStore, key: str = LOGIN_KEY) -> None:
        self.app = app
        self.store = store
        self.client: FlaskClient = app.test_client()
        self._key = key

    def with_key(self, key: str) -> "ApiClient":
        """Return a driver of the same API that sends this key or token."""
        return ApiClient(self.app, self.store, key)

    def as_bank(self) -> "ApiClient":
        """Return the same driver for another client."""
        return self.with_key(BANK_KEY)

    def post(self, path: str, body: Any = None) -> TestResponse:
        """Send a POST with the API key, without a body if ``body`` is None."""
        sent = {} if body is None else {"json": body}
        return self.client.post(path, headers=bearer(self._key), **sent)

    def post_raw(
        self, path: str, raw: bytes, content_type: str | None = JSON, **headers: str
    ) -> TestResponse:
        """Send a POST with these bytes; headers are named as in ``content_encoding="gzip"``."""
        further = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(
            path, data=raw, content_type=content_type, headers=bearer(self._key) | further
        )

    def get(self, path: str) -> TestResponse:
        """Send a GET with the API key."""
        return self.client.get(path, headers=bearer(self._key))

    def create_response(self, to: Any = ASHA, **members: Any) -> TestResponse:
        """Send a create and return the response."""
        return self.post(VERIFICATIONS, {"to": to, **members})

    def create(self, to: str = ASHA, **members: Any) -> dict[str, Any]:
        """Create a verification and return its object."""
        return self._body(self.create_response(to, **members), 201)

    def create_again(self, to: str = ASHA, **members: Any) -> dict[str, Any]:
        """Repeat a create and return the object of the pending verification."""
        return self._body(self.create_response(to, **members), 200)

    def get_verification(self, verification: dict[str, Any]) -> dict[str, Any]:
        """Return the current object of the verification."""
        return self._body(self.get(f"{VERIFICATIONS}/{verification['id']}"), 200)

    def act(self, verification: dict[str, Any], step: str, body: Any = None) -> TestResponse:
        """Send one of ``checks``, ``calls``, ``cancel`` and ``approve``."""
        return self.post(f"{VERIFICATIONS}/{verification['id']}/{step}", body)

    def check(self, verification: dict[str, Any], code: Any) -> TestResponse:
        """Check a code."""
        return self.act(verification, "checks", {"code": code})

    def send_callback(self, **members: Any) -> TestResponse:
        """Send a callback as the provider does, with the webhook's secret."""
        return self.client.post(WEBHOOK, json=members, headers=bearer(WEBHOOK_SECRET))

    def advance_time(self, seconds: float) -> None:
        """Move the clock, and keep the dialer alive."""
        if seconds < 0:
            self.forget_clock()
        self.store.clock_offset_ms += int(seconds * 1000)
        self.store.sweep("a dialer")

    def forget_clock(self) -> None:
        """Allow the clock to be set back: the store's functions keep the highest time they saw."""
        self.store.redis.delete("{otpvoice}:clock")

    def _body(self, response: TestResponse, status: int) -> dict[str, Any]:
        assert response.status_code == status, response.text
        shown: dict[str, Any] = response.get_json()
        return shown


StartApi = Callable[..., ApiClient]
"""Starts an API with other settings, named as in ``limits_calls_per_day="1"``."""


class ManualDialer:
    """A dialer whose steps the test takes one by one."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._ring = KeyRing([base64.b64decode(RING_KEY)])

    def claim(self) -> Claim:
        """Claim the due call."""
        claim = self._store.claim(200)
        assert isinstance(claim, Claim), f"nothing is due, retry in {claim} ms"
        return claim

    def has_nothing_due(self) -> bool:
        """Return whether no call is due."""
        return not isinstance(self._store.claim(200), Claim)

    def send(self, gate: Gate | None = None) -> Claim:
        """Claim a call and mark it as sent: from now on it may ring."""
        claim = self.claim()
        assert self._store.mark_sent(claim, 165_000, [60_000, 60_000, 300_000], gate=gate)
        return claim

    def place(self, provider_id: str | None = None, gate: Gate | None = None) -> Claim:
        """Send a call that the provider accepts."""
        claim = self.send(gate)
        self.record(claim, CallStatus.PLACED, provider_id=provider_id)
        return claim

    def record(
        self,
        claim: Claim,
        status: CallStatus,
        reason: CallReason | None = None,
        provider_id: str | None = None,
    ) -> CallStatus | None:
        """Record the result of a sent call."""
        result = CallResult(status, reason, provider_id=provider_id)
        return self._store.record_result(claim, result).status

    def decrypt(self, claim: Claim) -> tuple[str, str, str]:
        """Return number, code and name, as the provider would receive them."""
        number = decrypt_number(self._ring, claim.verification_id, claim.encrypted_number)
        return (number, *decrypt_speech(self._ring, claim.verification_id, claim.encrypted_speech))

    def decrypt_transaction(self, claim: Claim) -> tuple[str, ...]:
        """Return amount, currency and payee of a claimed call."""
        paid = decrypt_transaction(self._ring, claim.verification_id, claim.encrypted_transaction)
        assert paid
        return (paid.amount, paid.currency, paid.payee)
