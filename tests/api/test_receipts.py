"""The receipt of a right check, and the keys that it is verified with over HTTP."""

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
import requests
from api.api_client import (
    VERIFICATIONS,
    ApiClient,
    ManualDialer,
    assert_problem,
    bearer,
    settings_with,
)
from support.service import ASHA, LOGIN_KEY, RING_KEY
from support.stack import ApiProcess, running_api

from otpvoice.app import create_app

KEYS: Final = "/.well-known/jwks.json"
ISSUER: Final = "https://otp.example.com"
OLD: Final = f"k1:{RING_KEY}"
NEW: Final = "k2:" + base64.b64encode(b"another ring key of these tests!").decode()
CODE: Final = "123456"


class Backend:
    """Somebody who verifies receipts, and knows of the service only where its keys are."""

    def __init__(self, url: str) -> None:
        self._keys = jwt.PyJWKClient(f"{url}{KEYS}")

    def reads(self, receipt: str, audience: str = "login", issuer: str = ISSUER) -> dict[str, Any]:
        """The claims; raises ``jwt.PyJWTError`` for what is not genuine."""
        key = self._keys.get_signing_key_from_jwt(receipt)
        claims: dict[str, Any] = jwt.decode(
            receipt, key, ["EdDSA"], audience=audience, issuer=issuer, leeway=1
        )
        return claims

    def public_key(self) -> jwt.PyJWK:
        """What anybody can know of the signing key."""
        return self._keys.get_signing_keys()[0]


@pytest.fixture(scope="module")
def backend(served: ApiProcess) -> Backend:
    """It fetches the keys from a process that signed none of the receipts it is shown."""
    return Backend(f"http://127.0.0.1:{served.port}")


def receipt_of(api: ApiClient, **members: Any) -> str:
    """The receipt of a new verification whose own code was checked."""
    answer = api.check(api.create(code=CODE, **members), CODE).get_json()
    receipt: str = answer["receipt"]
    return receipt


def forged(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes = b"") -> str:
    """A JWT as an attacker writes it: signed by HMAC, or with an empty signature."""
    signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
    signature = hmac.digest(secret, signed.encode(), "sha256") if secret else b""
    return f"{signed}.{_base64(signature)}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


# What it says ------------------------------------------------------------------------------------


def test_the_right_code_brings_a_receipt(
    api: ApiClient, dialer: ManualDialer, backend: Backend
) -> None:
    """The claims tell what the answer tells: number, client, verification and its end."""
    began = api.create(reference="login-81")
    _, code, _ = dialer.decrypt(dialer.place())
    answer = api.check(began, code).get_json()
    ended_at = int(datetime.fromisoformat(answer["ended_at"]).timestamp())
    assert backend.reads(answer["receipt"]) == {
        "iss": ISSUER,
        "sub": ASHA,
        "aud": "login",
        "jti": began["id"],
        "iat": ended_at,
        "exp": ended_at + 300,
        "amr": ["otp", "tel"],
        "reference": "login-81",
    }


def test_an_own_code_proves_less(api: ApiClient, backend: Backend) -> None:
    """The SMS may have carried it too, so the call is not claimed."""
    claims = backend.reads(receipt_of(api))
    assert claims["amr"] == ["otp"]
    assert "reference" not in claims


def test_no_other_answer_has_one(api: ApiClient) -> None:
    """Not a create, a look, a wrong code, an approval by the client; not the 409 of a repeat."""
    began = api.create(code=CODE)
    proved = api.create("+919876543211", code=CODE)
    answers = [
        api.create_response(code=CODE),
        api.check(began, "000000"),
        api.act(began, "approve"),
        api.act(began, "approve"),
        api.get(f"{VERIFICATIONS}/{began['id']}"),
    ]
    assert "receipt" in api.check(proved, CODE).get_json()
    again = api.check(proved, CODE)
    assert_problem(again, 409, "verification_closed")
    answers += [
        again,
        api.act(proved, "approve"),
        api.get(f"{VERIFICATIONS}/{proved['id']}"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 409, 200, 200]
    assert not [answer.text for answer in answers if "receipt" in answer.text]
    assert not [answer.text for answer in answers if "eyJ" in answer.text]


# What it is refused for --------------------------------------------------------------------------


def test_a_receipt_is_for_its_client_and_from_its_issuer(api: ApiClient, backend: Backend) -> None:
    """Another client's backend does not take it, nor does ours take another's."""
    ours, banks = receipt_of(api), receipt_of(api.as_bank())
    assert backend.reads(banks, audience="bank")["aud"] == "bank"
    for receipt, audience in ((ours, "bank"), (banks, "login")):
        with pytest.raises(jwt.InvalidAudienceError):
            backend.reads(receipt, audience=audience)
    with pytest.raises(jwt.InvalidIssuerError):
        backend.reads(ours, issuer="https://otp.example.org")


@pytest.mark.parametrize(("age", "good"), [(295, True), (303, False)])
def test_a_receipt_has_its_time(api: ApiClient, backend: Backend, age: int, good: bool) -> None:
    """Five minutes from the approval."""
    api.advance_time(-age)
    receipt = receipt_of(api)
    if good:
        assert backend.reads(receipt)["aud"] == "login"
    else:
        with pytest.raises(jwt.ExpiredSignatureError):
            backend.reads(receipt)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_an_altered_receipt_is_refused(api: ApiClient, backend: Backend, part: int) -> None:
    """Every tenth character of header, claims and signature."""
    whole = receipt_of(api).split(".")
    for at in range(0, len(whole[part]) - 1, 10):
        text = whole[part]
        other = "A" if text[at] != "A" else "B"
        changed = [*whole[:part], text[:at] + other + text[at + 1 :], *whole[part + 1 :]]
        with pytest.raises(jwt.PyJWTError):
            backend.reads(".".join(changed))


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256"])
def test_another_algorithm_is_no_way_in(api: ApiClient, backend: Backend, algorithm: str) -> None:
    """Unsigned, and signed with the public key as if it were a secret: raw or as text.

    Even by a reader who names no algorithm: the published key is for one only.
    """
    genuine = receipt_of(api)
    header = jwt.get_unverified_header(genuine) | {"alg": algorithm}
    claims = backend.reads(genuine) | {"sub": "+919876543211"}
    key = backend.public_key()
    raw = key.key.public_bytes_raw()
    for secret in (b"", raw, _base64(raw).encode()):
        receipt = forged(header, claims, secret)
        with pytest.raises(jwt.InvalidAlgorithmError):
            backend.reads(receipt)
        with pytest.raises(jwt.PyJWTError):
            jwt.decode(receipt, key, audience="login")


# The keys ----------------------------------------------------------------------------------------


def test_the_keys_are_for_everybody(served: ApiProcess) -> None:
    """No credential, no cookie; kept by whoever fetched them, as no other answer may be."""
    answer = requests.get(f"http://127.0.0.1:{served.port}{KEYS}", timeout=5)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert "Set-Cookie" not in answer.headers
    (key,) = answer.json()["keys"]
    assert len(base64.urlsafe_b64decode(key.pop("x") + "=")) == 32
    assert key == {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "use": "sig", "alg": "EdDSA"}


def test_the_keys_need_no_store(environ: dict[str, str]) -> None:
    """Whoever holds a receipt can verify it while we can not serve."""
    app = create_app(settings_with(environ, redis_url="redis://127.0.0.1:1/0"))
    assert app.test_client().get("/readyz").status_code == 503
    answer = app.test_client().get(KEYS)
    assert (answer.status_code, len(answer.get_json()["keys"])) == (200, 1)


def test_keys_can_not_be_written(api: ApiClient) -> None:
    """They come from the settings alone."""
    assert_problem(api.post(KEYS, {"keys": []}), 405, "method_not_allowed")


def test_a_rotation_breaks_no_receipt(
    environ: dict[str, str], api: ApiClient, tmp_path: Path
) -> None:
    """A process whose ring begins with the new key and one whose ring ends with it.

    Either believes what the other signs; when the old key is dropped, only the new one's.
    """
    doors = {
        ring: ApiClient(create_app(settings_with(environ, secrets_keys=ring), api.store), api.store)
        for ring in (f"{OLD},{NEW}", f"{NEW},{OLD}", NEW)
    }
    receipts = {ring: receipt_of(each) for ring, each in doors.items()}
    signed_by = [jwt.get_unverified_header(receipt)["kid"] for receipt in receipts.values()]
    assert signed_by == ["k1", "k2", "k2"]
    believed = {}
    for n, ring in enumerate(doors):
        with running_api(environ | {"OTPVOICE_SECRETS_KEYS": ring}, tmp_path / f"{n}") as process:
            there = Backend(f"http://127.0.0.1:{process.port}")
            believed[ring] = [_believes(there, receipt) for receipt in receipts.values()]
    assert [*believed.values()] == [[True] * 3, [True] * 3, [False, True, True]]


def _believes(backend: Backend, receipt: str) -> bool:
    try:
        backend.reads(receipt)
    except jwt.PyJWKClientError:
        return False
    return True


# Where it must not be ----------------------------------------------------------------------------


def test_the_log_has_no_receipt(environ: dict[str, str], api: ApiClient, tmp_path: Path) -> None:
    """At DEBUG: no part of it, and not even the mask had one to withhold."""
    began = api.create(code=CODE)
    with running_api(environ, tmp_path, OTPVOICE_LOG_LEVEL="debug") as process:
        url = f"http://127.0.0.1:{process.port}"
        check = f"{url}{VERIFICATIONS}/{began['id']}/checks"
        answers = [
            requests.post(check, json={"code": CODE}, headers=bearer(LOGIN_KEY), timeout=5)
            for _ in range(2)
        ]
        assert requests.get(url + KEYS, timeout=5).ok
    receipt = answers[0].json()["receipt"]
    assert answers[1].status_code == 409
    told = process.log.read_text()
    assert "verification.checked" in told
    assert not [part for part in ("eyJ", "[jwt]", *receipt.split(".")) if part in told]
