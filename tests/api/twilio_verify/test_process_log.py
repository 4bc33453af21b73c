"""The log of an API process: no number of a path, whatever is wrong with the request."""

from pathlib import Path

from api.twilio_verify.twilio_client import ACCOUNT, BASE, VERIFICATIONS, basic
from redis import Redis
from support.raw_http import chunked, head
from support.service import ASHA, LOGIN_KEY
from support.stack import running_api

from otpvoice.store.redis_store import RedisStore

FORM = "Content-Type: application/x-www-form-urlencoded"
AUTH = f"Authorization: {basic(ACCOUNT, LOGIN_KEY)['Authorization']}"
CODE = "73519046"


def test_no_number_and_no_code_is_logged(
    environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    """The log has the routes instead."""
    RedisStore(redis).sweep("a dialer")
    named, escaped = f"{VERIFICATIONS}/{ASHA}", f"{VERIFICATIONS}/%2B919876543210"
    create = f"To=%2B919876543210&Channel=call&CustomCode={CODE}".encode()
    check = f"To=%2B919876543210&Code={CODE}".encode()
    wrong = f"To=%2B919876543210&Code={CODE}&Code={CODE}".encode()

    def post(path: str, body: bytes, *headers: str) -> bytes:
        length = f"Content-Length: {len(body)}"
        return head(f"POST {path} HTTP/1.1", AUTH, FORM, length, *headers) + body

    requests = [
        post(VERIFICATIONS, create),
        head(f"GET {named} HTTP/1.1", AUTH),
        head(f"GET {escaped} HTTP/1.1", AUTH),
        head(f"GET {named}?To={ASHA} HTTP/1.1", AUTH),
        head(f"GET {named}/{ASHA} HTTP/1.1", AUTH),
        head(f"GET {named} HTTP/1.1"),
        head(f"PUT {named} HTTP/1.1", AUTH),
        head(f"GET http://{ASHA}{named} HTTP/1.1", AUTH),
        head(f"GET {BASE}/Attempts?ChannelData.To={ASHA} HTTP/1.1", AUTH),
        head(f"GET {BASE}/Attempts?ChannelData.To={ASHA}&Status=%zz HTTP/1.1", AUTH),
        head(f"GET /{ASHA}/twilio/v2 HTTP/1.1", AUTH),
        post(f"{BASE}/Services/{ASHA}/VerificationCheck", wrong),
        post(named, b"Status=other"),
        post(named, create, "Content-Encoding: gzip"),
        head(f"POST {named} HTTP/1.1", AUTH, FORM, "Transfer-Encoding: chunked") + b"zz\r\n",
        head(f"POST {named} HTTP/1.1", AUTH, FORM, "Transfer-Encoding: chunked")
        + chunked(b"a" * 17_000, 4096),
        # Refused before the application.
        head(f"GET {named} HTTP/9.9", AUTH),
        head(f"GET {named} {named} HTTP/1.1", AUTH),
        head(f"GET {named} HTTP/1.1", "no colon"),
        head(f"GET {named} HTTP/1.1", "X: " + "a" * 9000),
        head(f"GET {named}{'a' * 5000} HTTP/1.1", AUTH),
        head(f"POST {named} HTTP/1.1", "Transfer-Encoding: cow"),
        post(f"{BASE}/Services/{ASHA}/VerificationCheck", check),
    ]
    with running_api(environ, tmp_path, OTPVOICE_TWILIO_VERIFY_ENABLED="true") as api:
        replies = [api.send(request) for request in requests]
        log = api.log.read_text("utf-8")
    assert replies[0].status == 201
    assert replies[1].document["sid"] == replies[2].document["sid"] == replies[0].document["sid"]
    assert replies[-1].document["valid"] is True
    assert all(reply.status < 500 or reply.status == 501 for reply in replies)
    assert "9876543210" not in log
    assert CODE not in log
    assert '"route":"/twilio/v2/Services/<service>/Verifications/<sid>"' in log.replace(" ", "")
    assert "+91******3210" in log
