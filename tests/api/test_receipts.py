"""Receipts of correct checks, and the keys to verify them with over HTTP."""

import base64
import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from threading import Thread
from typing import Any, Final

import jwt
import pytest
import requests
from api.api_client import (
    VERIFICATIONS,
    ApiClient,
    ManualDialer,
    assert_problem,
    settings_with,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from support.service import ASHA, RING_KEY
from support.stack import ApiProcess
from werkzeug.serving import make_server

from otpvoice.app import create_app

KEYS: Final = "/.well-known/jwks.json"
ISSUER: Final = "https://otp.example.com"
OLD: Final = f"k1:{RING_KEY}"
NEW: Final = "k2:" + base64.b64encode(b"another ring key of these tests!").decode()
CODE: Final = "123456"


class Backend:
    """A verifier of receipts that knows only the URL of the keys."""

    def __init__(self, url: str) -> None:
        self._keys = jwt.PyJWKClient(f"{url}{KEYS}")

    def reads(self, receipt: str, audience: str = "login", issuer: str = ISSUER) -> dict[str, Any]:
        """Return the claims; raise ``jwt.PyJWTError`` if the receipt is not valid."""
        key = self._keys.get_signing_key_from_jwt(receipt)
        claims: dict[str, Any] = jwt.decode(
            receipt, key, ["ES256", "EdDSA"], audience=audience, issuer=issuer, leeway=1
        )
        return claims

    def public_keys(self) -> list[jwt.PyJWK]:
        """Return the published keys."""
        return self._keys.get_signing_keys()


@pytest.fixture(scope="module")
def backend(served: ApiProcess) -> Backend:
    """Return a verifier that fetches the keys from another process than the signer."""
    return Backend(f"http://127.0.0.1:{served.port}")


def receipt_of(api: ApiClient, **members: Any) -> str:
    """Return the receipt of a new verification with its own code."""
    response = api.check(api.create(code=CODE, **members), CODE).get_json()
    receipt: str = response["receipt"]
    return receipt


def forged(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes = b"") -> str:
    """Return a JWT of an attacker: signed by HMAC, or unsigned."""
    signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
    signature = hmac.digest(secret, signed.encode(), "sha256") if secret else b""
    return f"{signed}.{_base64(signature)}"


def encoded_point(key: Any) -> bytes:
    """Encode a P-256 key as text that a careless library takes for an HMAC secret."""
    return bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


# Content -----------------------------------------------------------------------------------------


def test_correct_check_returns_a_receipt(
    api: ApiClient, dialer: ManualDialer, backend: Backend
) -> None:
    """Its claims match the response."""
    created = api.create(reference="login-81")
    _, code, _ = dialer.decrypt(dialer.place())
    response = api.check(created, code).get_json()
    ended_at = int(datetime.fromisoformat(response["ended_at"]).timestamp())
    assert backend.reads(response["receipt"]) == {
        "iss": ISSUER,
        "sub": ASHA,
        "aud": "login",
        "jti": created["id"],
        "iat": ended_at,
        "exp": ended_at + 300,
        "amr": ["otp", "tel"],
        "reference": "login-81",
    }


def test_other_responses_contain_no_receipt(api: ApiClient) -> None:
    """Creates, reads, wrong checks, approvals, and the 409 of a repeated check."""
    created = api.create(code=CODE)
    proved = api.create("+919876543211", code=CODE)
    responses = [
        api.create_response(code=CODE),
        api.check(created, "000000"),
        api.act(created, "approve"),
        api.act(created, "approve"),
        api.get(f"{VERIFICATIONS}/{created['id']}"),
    ]
    assert "receipt" in api.check(proved, CODE).get_json()
    again = api.check(proved, CODE)
    assert_problem(again, 409, "verification_closed")
    responses += [
        again,
        api.act(proved, "approve"),
        api.get(f"{VERIFICATIONS}/{proved['id']}"),
    ]
    assert [response.status_code for response in responses] == [
        200,
        200,
        200,
        200,
        200,
        409,
        200,
        200,
    ]
    assert not [response.text for response in responses if "receipt" in response.text]
    assert not [response.text for response in responses if "eyJ" in response.text]


# Rejected receipts -------------------------------------------------------------------------------


def test_receipt_of_another_client_or_issuer_is_rejected(api: ApiClient, backend: Backend) -> None:
    """By audience and issuer."""
    ours, banks = receipt_of(api), receipt_of(api.as_bank())
    assert backend.reads(banks, audience="bank")["aud"] == "bank"
    for receipt, audience in ((ours, "bank"), (banks, "login")):
        with pytest.raises(jwt.InvalidAudienceError):
            backend.reads(receipt, audience=audience)
    with pytest.raises(jwt.InvalidIssuerError):
        backend.reads(ours, issuer="https://otp.example.org")


@pytest.mark.parametrize(("age", "good"), [(295, True), (303, False)])
def test_receipt_expires_after_five_minutes(
    api: ApiClient, backend: Backend, age: int, good: bool
) -> None:
    """From the approval."""
    api.advance_time(-age)
    receipt = receipt_of(api)
    if good:
        assert backend.reads(receipt)["aud"] == "login"
    else:
        with pytest.raises(jwt.ExpiredSignatureError):
            backend.reads(receipt)


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256"])
def test_receipt_with_another_algorithm_is_rejected(
    api: ApiClient, backend: Backend, algorithm: str
) -> None:
    """Unsigned, or signed with the public key as an HMAC secret.

    Also if the verifier names no algorithm: the published key is for one only.
    """
    genuine = receipt_of(api)
    header = jwt.get_unverified_header(genuine) | {"alg": algorithm}
    claims = backend.reads(genuine) | {"sub": "+919876543211"}
    of_p256, of_ed25519 = backend.public_keys()
    raw, point = of_ed25519.key.public_bytes_raw(), encoded_point(of_p256.key)
    for secret in (b"", raw, _base64(raw).encode(), point):
        for key in (of_p256, of_ed25519):
            receipt = forged(header | {"kid": key.key_id}, claims, secret)
            with pytest.raises(jwt.InvalidAlgorithmError):
                backend.reads(receipt)
            with pytest.raises(jwt.PyJWTError):
                jwt.decode(receipt, key, audience="login")


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_backend_accepts_both_algorithms(
    environ: dict[str, str], api: ApiClient, backend: Backend, algorithm: str
) -> None:
    """From a process with the other algorithm than the one that serves the keys, too."""
    app = create_app(settings_with(environ, receipts_algorithm=algorithm), api.store)
    receipt = receipt_of(ApiClient(app, api.store))
    assert jwt.get_unverified_header(receipt)["alg"] == algorithm
    assert backend.reads(receipt)["aud"] == "login"


def test_replay_of_a_check_returns_the_same_receipt(api: ApiClient) -> None:
    """It is not stored, but signed again."""
    path = f"{VERIFICATIONS}/{api.create(code=CODE)['id']}/checks"
    raw = json.dumps({"code": CODE}).encode()
    one, other = (api.post_raw(path, raw, idempotency_key="check-1") for _ in range(2))
    assert other.headers["Idempotent-Replayed"] == "true"
    assert one.get_json()["receipt"] == other.get_json()["receipt"]


# Keys --------------------------------------------------------------------------------------------


def test_keys_are_public_and_cacheable(served: ApiProcess) -> None:
    """No credential and no cookie, and pages of every origin may read them."""
    response = requests.get(f"http://127.0.0.1:{served.port}{KEYS}", timeout=5)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert "Set-Cookie" not in response.headers
    of_p256, of_ed25519 = response.json()["keys"]
    for encoded in (of_p256.pop("x"), of_p256.pop("y"), of_ed25519.pop("x")):
        assert len(base64.urlsafe_b64decode(encoded + "=")) == 32
    p256 = {"kty": "EC", "crv": "P-256", "kid": "k1.es256", "use": "sig", "alg": "ES256"}
    ed25519 = {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "use": "sig", "alg": "EdDSA"}
    assert (of_p256, of_ed25519) == (p256, ed25519)


def test_keys_without_store_return_200(environ: dict[str, str]) -> None:
    """Receipts can be verified during an outage."""
    app = create_app(settings_with(environ, redis_url="redis://127.0.0.1:1/0"))
    assert app.test_client().get("/readyz").status_code == 503
    response = app.test_client().get(KEYS)
    assert (response.status_code, len(response.get_json()["keys"])) == (200, 2)


def test_keys_are_read_only(api: ApiClient) -> None:
    """They come from the settings."""
    assert_problem(api.post(KEYS, {"keys": []}), 405, "method_not_allowed")


def test_key_rotation_keeps_receipts_valid(environ: dict[str, str], api: ApiClient) -> None:
    """Two APIs have the keys in different order; each accepts the other's receipts. After the
    old key is removed, only those of the new one.
    """
    apis = {
        ring: ApiClient(create_app(settings_with(environ, secrets_keys=ring), api.store), api.store)
        for ring in (f"{OLD},{NEW}", f"{NEW},{OLD}", NEW)
    }
    receipts = {ring: receipt_of(each) for ring, each in apis.items()}
    signed_by = [jwt.get_unverified_header(receipt)["kid"] for receipt in receipts.values()]
    assert signed_by == ["k1.es256", "k2.es256", "k2.es256"]
    believed = []
    for each in apis.values():
        with serving(each.app) as url:
            there = Backend(url)
            believed.append([_believes(there, receipt) for receipt in receipts.values()])
    assert believed == [[True] * 3, [True] * 3, [False, True, True]]


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Serve an application to verifiers of receipts, at the yielded URL."""
    server = make_server("127.0.0.1", 0, app)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _believes(backend: Backend, receipt: str) -> bool:
    try:
        backend.reads(receipt)
    except jwt.PyJWKClientError:
        return False
    return True
