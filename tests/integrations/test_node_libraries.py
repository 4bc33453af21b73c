"""Receipts and events, as the most used libraries of Node verify them, with the guides' samples."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from api.api_client import ApiClient
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from events.receiver import NEW_SECRET, EventReceiver
from integrations.locked_tools import run_node
from standardwebhooks import Webhook
from support.processes import free_port
from support.service import ASHA, BANK_KEY, RING_KEY
from support.stack import Stack, running_service

from otpvoice.app import STORE, create_app
from otpvoice.core.keys import derive_receipt_scalar, derive_receipt_seed
from otpvoice.settings import load

DOCS: Final = Path(__file__).parents[2] / "docs"
PAYMENT: Final = {"amount": "2500.00", "currency": "INR", "payee": "ACME Stores"}
CODE: Final = "471102"
JUDGE: Final = """
const judge = async (read, given) => {
  try {
    return await read(...given)
  } catch (error) {
    return { refused: `${error.code ?? error.name}: ${error.message}` }
  }
}
const cases = JSON.parse(process.env.CASES)
const verdicts = Object.entries(readers).map(async ([library, read]) => {
  const each = Object.entries(cases).map(async ([name, given]) => [name, await judge(read, given)])
  return [library, Object.fromEntries(await Promise.all(each))]
})
console.log(JSON.stringify(Object.fromEntries(await Promise.all(verdicts))))
"""
"""Prints what each reader returns for each case, or why it refuses it."""
_REFUSED: Final = "refused"


@pytest.fixture(scope="module")
def receiver() -> Iterator[EventReceiver]:
    """Run a receiver of events."""
    with EventReceiver() as listening:
        yield listening


@pytest.fixture(scope="module")
def stack(
    environ: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory, receiver: EventReceiver
) -> Iterator[Stack]:
    """Run a service that sends events, and whose public URL is its real one."""
    bind = f"127.0.0.1:{free_port()}"
    with running_service(
        environ,
        tmp_path_factory.mktemp("stack"),
        OTPVOICE_SERVER_BIND=bind,
        OTPVOICE_SERVER_PUBLIC_URL=f"http://{bind}",
        OTPVOICE_CLIENTS_LOGIN_EVENT_URL=receiver.url,
        OTPVOICE_CLIENTS_LOGIN_EVENT_SECRET=NEW_SECRET,
    ) as started:
        yield started


def sample(page: str, language: str) -> str:
    """Return the only code block of a language in a guide."""
    text = (DOCS / page).read_text("utf-8")
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(found)


def verdicts(
    folder: Path, modules: Mapping[str, str], name: str, cases: Mapping[str, list[Any]], **env: str
) -> dict[str, dict[str, Any]]:
    """Return what each module's function returns for each case.

    Args:
        folder: for the modules.
        modules: the code of each library's module.
        name: of the function.
        cases: its arguments.
        env: variables.
    """
    imports = ""
    for library, code in modules.items():
        (folder / f"{library}.mjs").write_text(code, "utf-8")
        imports += f"import {{ {name} as {library} }} from './{library}.mjs'\n"
    judge = f"{imports}const readers = {{ {', '.join(modules)} }}\n{JUDGE}"
    (folder / "judge.mjs").write_text(judge, "utf-8")
    printed = run_node(folder, "judge.mjs", CASES=json.dumps(cases), **env)
    found: dict[str, dict[str, Any]] = json.loads(printed)
    return found


def refusal(verdict: dict[str, Any]) -> str:
    """Return why a library refuses; empty if it accepts."""
    return str(verdict.get(_REFUSED, ""))


# Receipts ----------------------------------------------------------------------------------------


def other_process(stack: Stack, algorithm: str) -> ApiClient:
    """Return an API with another setting than the one that publishes the keys."""
    variables = {**stack.variables, "OTPVOICE_RECEIPTS_ALGORITHM": algorithm}
    app = create_app(load(variables).settings)
    return ApiClient(app, app.extensions[STORE])


def receipt_of(api: ApiClient) -> str:
    """Return the receipt of a payment."""
    created = api.create(code=CODE, transaction=PAYMENT)
    checked = api.act(created, "checks", {"code": CODE, "transaction": PAYMENT})
    receipt: str = checked.get_json()["receipt"]
    return receipt


def altered(receipt: str, **changes: Any) -> str:
    """Return a receipt with other claims and the same signature."""
    header, claims, signature = receipt.split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "==")) | changes
    encoded = base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip("=")
    return f"{header}.{encoded}.{signature}"


def signer_of(algorithm: str) -> EllipticCurvePrivateKey | Ed25519PrivateKey:
    """Return the service's own key."""
    key = base64.b64decode(RING_KEY)
    if algorithm == "ES256":
        return derive_private_key(derive_receipt_scalar(key), SECP256R1())
    return Ed25519PrivateKey.from_private_bytes(derive_receipt_seed(key))


def cases_of(api: ApiClient) -> dict[str, list[str]]:
    """Return a genuine receipt, and those that nobody may accept."""
    genuine = receipt_of(api)
    others = receipt_of(api.with_key(BANK_KEY))
    claims = jwt.decode(genuine, options={"verify_signature": False})
    header = jwt.get_unverified_header(genuine)
    past = {"iat": claims["iat"] - 320, "exp": claims["exp"] - 320}
    expired = jwt.encode(claims | past, signer_of(header["alg"]), header["alg"], header)
    unsigned = jwt.encode(claims, "", "none", {**header, "alg": "none"})
    return {
        "genuine": [genuine],
        "amount": [altered(genuine, transaction=PAYMENT | {"amount": "9500.00"})],
        "sub": [altered(genuine, sub="+919876543211")],
        "aud": [others],
        "exp": [expired],
        "unsigned": [unsigned],
    }


@pytest.fixture(scope="module")
def judged(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What jose and jsonwebtoken with jwks-rsa say to the receipts of both algorithms."""
    modules = {
        library: sample("receipts.md", language)
        .replace("https://otp.example.com", stack.service.url)
        .replace("'login-backend'", "'login'")
        for library, language in (("jose", "js"), ("jsonwebtoken", "mjs"))
    }
    cases = {
        f"{algorithm} {name}": given
        for algorithm in ("ES256", "EdDSA")
        for name, given in cases_of(other_process(stack, algorithm)).items()
    }
    return verdicts(tmp_path_factory.mktemp("receipts"), modules, "readReceipt", cases)


READERS: Final = [("jose", "ES256"), ("jose", "EdDSA"), ("jsonwebtoken", "ES256")]


@pytest.mark.parametrize(("library", "algorithm"), READERS)
def test_genuine_receipt_is_accepted(
    library: str, algorithm: str, judged: dict[str, dict[str, Any]], stack: Stack
) -> None:
    """With the keys that the service publishes, and the payment that it authorises."""
    claims = judged[library][f"{algorithm} genuine"]
    assert refusal(claims) == ""
    assert claims["transaction"] == PAYMENT
    assert (claims["sub"], claims["aud"], claims["iss"]) == (ASHA, "login", stack.service.url)


@pytest.mark.parametrize(("library", "algorithm"), READERS)
@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("amount", "signature"),
        ("sub", "signature"),
        ("aud", "aud"),
        ("exp", "exp"),
        ("unsigned", "alg|signature"),
    ],
)
def test_other_receipt_is_refused(
    library: str, algorithm: str, case: str, reason: str, judged: dict[str, dict[str, Any]]
) -> None:
    """For the reason that it should be."""
    assert re.search(reason, refusal(judged[library][f"{algorithm} {case}"]))


def test_jsonwebtoken_verifies_no_receipt_of_the_other_algorithm(
    judged: dict[str, dict[str, Any]],
) -> None:
    """Hence the default."""
    of_eddsa = [each for case, each in judged["jsonwebtoken"].items() if "EdDSA" in case]
    assert len(of_eddsa) == 6
    assert all(refusal(each) for each in of_eddsa)


# Events ------------------------------------------------------------------------------------------


def test_event_is_verified_by_both_libraries(
    stack: Stack, receiver: EventReceiver, tmp_path: Path
) -> None:
    """As a dialer delivers it; not with another body, another secret or an old timestamp."""
    created = stack.service.create("+919876543213", transaction=PAYMENT)
    assert stack.service.post(f"/v1/verifications/{created['id']}/cancel").ok
    event = receiver.wait_for_event(created["id"], "verification.canceled")
    body = event.raw.decode()
    signed = {name: each for name, each in event.headers.items() if name.startswith("webhook-")}
    old = event.headers | {"webhook-timestamp": str(int(event.headers["webhook-timestamp"]) - 400)}
    resigned = old | {"webhook-signature": sign(old, body, NEW_SECRET)}
    foreign = signed | {"webhook-signature": sign(signed, body, "whsec_" + "A" * 43 + "=")}
    code = sample("events.md", "js")
    modules = {
        "standardwebhooks": code,
        "svix": code.replace("from 'standardwebhooks'", "from 'svix'"),
    }
    cases = {
        "genuine": [body, event.headers],
        "altered": [body.replace("2500.00", "9500.00"), signed],
        "foreign": [body, foreign],
        "moved": [body, old],
        "old": [body, resigned],
    }
    found = verdicts(tmp_path, modules, "readEvent", cases, OTPVOICE_EVENT_SECRET=NEW_SECRET)
    for library, verdict in found.items():
        assert verdict["genuine"]["data"]["id"] == created["id"], library
        assert verdict["genuine"]["data"]["transaction"]["amount"] == "2500.00"
        for case in ("altered", "foreign"):
            assert "matching signature" in refusal(verdict[case]), (library, case)
        for case in ("moved", "old"):
            assert "too old" in refusal(verdict[case]), (library, case)


def sign(headers: Mapping[str, str], body: str, secret: str) -> str:
    """Sign a message with the time that its headers give."""
    sent_at = int(headers["webhook-timestamp"])
    return Webhook(secret).sign(headers["webhook-id"], datetime.fromtimestamp(sent_at, UTC), body)
