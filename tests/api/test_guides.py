"""The guides for developers of apps and backends match the service."""

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from api.api_client import ApiClient, settings_with
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from support.service import ASHA, RING_KEY
from support.stack import running_api

from otpvoice.api.errors import BAD_REQUEST, INTERNAL_ERROR, PROBLEM_TYPES
from otpvoice.app import create_app
from otpvoice.core.keys import derive_receipt_scalar
from otpvoice.core.receipts import RECEIPT_LIFETIME_S, RECEIPT_TYPE
from otpvoice.core.verification import CallStatus, NextReason, Status
from otpvoice.store.redis_store import RedisStore

GUIDE = (Path(__file__).parents[2] / "docs" / "mobile.md").read_text("utf-8")
UNHEARD = "`answered`, `heard: false`"
DENIED = "`canceled`, `reason: denied`"
SENTENCES = re.compile(r"[A-Z][\w ,'.-]+\.", re.ASCII)
HINDI = re.compile(r"[\u0900-\u097F][\u0900-\u097F ,-]+।([ \u0900-\u097F,-]+।)*")
HEADINGS = re.findall(r"^\| (\w+) \| English \| हिन्दी \|$", GUIDE, re.MULTILINE)


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table whose first column has this heading."""
    start = GUIDE.index(f"\n| {heading} | English | हिन्दी |\n|---|---|---|\n")
    rows = GUIDE[start:].strip().partition("\n\n")[0].splitlines()[2:]
    return [row.strip("| ").split(" | ") for row in rows]


def quoted(words: Iterable[str]) -> set[str]:
    """Return the words in backquotes, as in the first column."""
    return {f"`{word}`" for word in words}


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("status", quoted(set(Status) - {Status.PENDING}) | {DENIED}),
        ("call", quoted(CallStatus) | {UNHEARD}),
        ("reason", quoted(NextReason)),
        (
            "code",
            quoted(
                problem.code for problem in (*PROBLEM_TYPES.values(), BAD_REQUEST, INTERNAL_ERROR)
            ),
        ),
    ],
)
def test_guide_has_a_sentence_for_every_word(heading: str, words: set[str]) -> None:
    """Each once, and no unknown word."""
    found = [row[0] for row in table(heading)]
    assert set(found) == words
    assert len(found) == len(words)


@pytest.mark.parametrize("heading", ["status", "call", "reason", "code"])
def test_guide_has_every_sentence_in_both_languages(heading: str) -> None:
    """Whole sentences without words of the API or of the other language."""
    for word, english, hindi in table(heading):
        assert SENTENCES.fullmatch(english), word
        assert HINDI.fullmatch(hindi), word
        assert english.count(".") == hindi.count("।"), word
        assert "_" not in english


def test_guide_has_no_other_table() -> None:
    """All tables are tested."""
    assert sorted(HEADINGS) == ["call", "case", "code", "reason", "status"]


RECEIPTS_GUIDE: Final = Path(__file__).parents[2] / "docs" / "receipts.md"
ISSUER: Final = "https://otp.example.com"
PUBLISHED_AT: Final = f"{ISSUER}/.well-known/jwks.json"
Reader = Callable[[str], dict[str, Any]]


def samples(language: str) -> list[str]:
    """Return the guide's samples of one language."""
    return re.findall(rf"```{language}\n(.*?)```", RECEIPTS_GUIDE.read_text("utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def keys_url(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return where the keys are published, by a process that does not touch the tests' clock."""
    elsewhere = {"OTPVOICE_REDIS_URL": environ["OTPVOICE_REDIS_URL"].replace("/0?", "/1?")}
    with running_api(environ | elsewhere, tmp_path_factory.mktemp("api")) as running:
        yield f"http://127.0.0.1:{running.port}/.well-known/jwks.json"


@pytest.fixture(scope="module")
def read_receipt(keys_url: str) -> Reader:
    """Return the Python sample with this service's URL and client."""
    (sample,) = samples("python")
    assert (sample.count(PUBLISHED_AT), sample.count('"login-backend"')) == (1, 1)
    names: dict[str, Any] = {}
    exec(sample.replace(PUBLISHED_AT, keys_url).replace('"login-backend"', '"login"'), names)  # noqa: S102 - the very words that readers copy
    reader: Reader = names["read_receipt"]
    return reader


def receipt_of(api: ApiClient) -> str:
    """Return the receipt of a new approval."""
    receipt: str = api.check(api.create(code="1234"), "1234").get_json()["receipt"]
    return receipt


def test_python_sample_returns_the_claims(api: ApiClient, read_receipt: Reader) -> None:
    """Those of the guide's table."""
    payment = {"amount": "2500.00", "currency": "INR", "payee": "ACME Stores"}
    created = api.create(code="1234", reference="login-81", transaction=payment)
    checked = api.act(created, "checks", {"code": "1234", "transaction": payment})
    claims = read_receipt(checked.get_json()["receipt"])
    table = RECEIPTS_GUIDE.read_text("utf-8").partition("| claim |")[2].partition("\n\n")[0]
    found = re.findall(r"`(\w+)`", "".join(re.findall(r"^\|(.*?)\|", table, re.MULTILINE)))
    assert sorted(claims) == sorted(found)
    assert (claims["sub"], claims["jti"]) == (ASHA, created["id"])


@pytest.mark.parametrize(("age", "good"), [(-8, True), (305, True), (313, False)])
def test_python_sample_allows_ten_seconds_of_leeway(
    api: ApiClient, read_receipt: Reader, age: int, good: bool
) -> None:
    """In both directions."""
    api.advance_time(-age)
    receipt = receipt_of(api)
    if good:
        assert read_receipt(receipt)["aud"] == "login"
    else:
        with pytest.raises(jwt.ExpiredSignatureError):
            read_receipt(receipt)


def test_python_sample_rejects_foreign_and_altered_receipts(
    api: ApiClient, read_receipt: Reader, environ: dict[str, str], store: RedisStore
) -> None:
    """Another client's, another service's with the same keys, and one with a changed bit."""
    elsewhere = settings_with(environ, server_public_url="https://otp.example.org")
    genuine = receipt_of(api)
    for receipt in (
        receipt_of(api.as_bank()),
        receipt_of(ApiClient(create_app(elsewhere, store), store)),
        genuine[:-10] + ("A" if genuine[-10] != "A" else "B") + genuine[-9:],
        "",
        "no receipt",
    ):
        with pytest.raises(jwt.PyJWTError):
            read_receipt(receipt)


def test_python_sample_rejects_other_tokens_of_the_same_key(
    api: ApiClient, read_receipt: Reader
) -> None:
    """Another type, or missing claims."""
    signer = derive_private_key(derive_receipt_scalar(base64.b64decode(RING_KEY)), SECP256R1())
    claims = read_receipt(receipt_of(api))
    headers = {"kid": "k1.es256", "typ": RECEIPT_TYPE}
    assert read_receipt(jwt.encode(claims, signer, "ES256", headers)) == claims
    with pytest.raises(jwt.InvalidTokenError, match="not a receipt"):
        read_receipt(jwt.encode(claims, signer, "ES256", headers | {"typ": "at+jwt"}))
    for missing in ("iss", "sub", "aud", "jti", "iat", "exp"):
        less = {name: value for name, value in claims.items() if name != missing}
        with pytest.raises(jwt.MissingRequiredClaimError):
            read_receipt(jwt.encode(less, signer, "ES256", headers))


@pytest.mark.parametrize("language", ["python", "js", "mjs", "go"])
def test_samples_of_all_languages_check_the_same(language: str) -> None:
    """Keys, algorithms, type, issuer and client."""
    (sample,) = samples(language)
    quoted = set(re.findall(r"""["'](.+?)["']""", sample))
    assert quoted >= {PUBLISHED_AT, ISSUER, "login-backend", "ES256", RECEIPT_TYPE}
    assert ("EdDSA" in quoted) == (language != "mjs")


def test_guide_states_how_long_to_store_ids() -> None:
    """The life of a receipt plus the leeway at both ends."""
    guide = RECEIPTS_GUIDE.read_text("utf-8")
    assert f"{RECEIPT_LIFETIME_S} seconds later" in guide
    assert f"EX {RECEIPT_LIFETIME_S + 2 * 10}`" in guide
