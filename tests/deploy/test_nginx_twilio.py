"""config/nginx.conf in front of the Twilio facade: a host of its own, errors and logs."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from api.test_headers import OVER_TLS, USUAL
from api.twilio_verify.twilio_client import ACCOUNT, SERVICE, basic
from deploy.nginx_proxy import NginxProxy, run_nginx
from redis import Redis
from support.processes import find_program, free_port
from support.raw_http import RawResponse, chunked, head
from support.service import ASHA, LOGIN_KEY, WIDE_LIMITS
from support.stack import ApiProcess, running_api

from otpvoice.store.redis_store import RedisStore

AUTH = f"Authorization: {basic(ACCOUNT, LOGIN_KEY)['Authorization']}"
VERIFICATIONS = f"/v2/Services/{SERVICE}/Verifications"
HEADERS = USUAL | {OVER_TLS: "max-age=31536000"}


@pytest.fixture(scope="module")
def served(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """Run an API with the facade."""
    find_program("nginx")
    variables = {**environ, **WIDE_LIMITS, "OTPVOICE_TWILIO_VERIFY_ENABLED": "true"}
    with running_api(variables, tmp_path_factory.mktemp("api")) as running:
        yield running


def post(path: str, **form: str) -> bytes:
    """Return a request of an SDK to a host of its own."""
    body = urlencode(form)
    return request(f"POST {path} HTTP/1.1", f"Content-Length: {len(body)}") + body.encode()


def request(request_line: str, *headers: str) -> bytes:
    """Return the head of a request with the API key."""
    form = "Content-Type: application/x-www-form-urlencoded"
    text = head(request_line, AUTH, form, *headers)
    return text.replace(b"Host: otp.", b"Host: verify.otp.")


def is_refused(reply: RawResponse, status: int, code: int) -> bool:
    """Return whether it is an error in Twilio's format, with the headers of the contract."""
    assert {name: reply.headers.get(name.lower()) for name in HEADERS} == HEADERS
    assert reply.headers["content-type"] == "application/json"
    body = reply.document
    assert set(body) == {"code", "message", "more_info", "status", "details"}
    assert body["details"]["request_id"] == reply.headers["request-id"]
    assert reply.headers.get("retry-after") == (str(body["details"].get("retry_after", "")) or None)
    assert ("retry_after" in body["details"]) == (status in {429, 503})
    return (reply.status, body["status"], body["code"]) == (status, status, code)


@pytest.mark.parametrize("prefix", ["", "/twilio"])
def test_sdk_reaches_the_facade_by_host_and_by_path(
    proxy: NginxProxy, redis: Redis, prefix: str
) -> None:
    """The access log has the route and no number."""
    RedisStore(redis).sweep("a dialer")
    created = proxy.send(post(prefix + VERIFICATIONS, To=ASHA, Channel="call"))
    assert created.status == 201, created.body
    sid = created.document["sid"]
    route = proxy.access_log_entry(created)["route"]
    assert route == "/twilio/v2/Services/<service>/Verifications"
    for name in (sid, ASHA, "%2B919876543210"):
        fetched = proxy.send(request(f"GET {prefix}{VERIFICATIONS}/{name} HTTP/1.1"))
        assert fetched.document["sid"] == sid
        assert proxy.access_log_entry(fetched)["route"] == f"{route}/<sid>"
    attempts = f"{prefix}/v2/Attempts?ChannelData.To=%2B919876543210"
    listed = proxy.send(request(f"GET {attempts} HTTP/1.1"))
    assert len(listed.document["attempts"]) == 1
    assert proxy.access_log_entry(listed)["route"] == "/twilio/v2/Attempts"
    wrong = proxy.send(request(f"GET {prefix}/v2/Attempts/{ASHA} HTTP/1.1"))
    assert is_refused(wrong, 404, 20404)
    assert proxy.access_log_entry(wrong)["route"] == "-"
    assert "9876543210" not in str(proxy.access_log())
    assert proxy.error_log() == ""


@pytest.mark.parametrize("prefix", ["", "/twilio"])
def test_nginx_refuses_in_the_format_of_twilio(proxy: NginxProxy, prefix: str) -> None:
    """The API does not get the request, and no log has the number of its path."""
    path = f"{prefix}{VERIFICATIONS}/{ASHA}"
    long_body = request(f"POST {path} HTTP/1.1", "Transfer-Encoding: chunked")
    for refused, status, code in (
        (request(f"POST {path} HTTP/1.1", "Content-Length: 16385"), 413, 20413),
        (long_body + chunked(b"a" * 16_385, 9000), 413, 20413),
        (request(f"TRACE {path} HTTP/1.1"), 405, 20004),
        (request(f"GET {path} HTTP/1.1", "X: " + "a" * 8200), 431, 20431),
        (request(f"POST {path} HTTP/1.1", "Transfer-Encoding: cow"), 501, 20501),
    ):
        reply = proxy.send(refused)
        assert is_refused(reply, status, code)
        assert proxy.access_log_entry(reply)["upstream"] == ""
    assert "9876543210" not in str(proxy.access_log())
    assert proxy.error_log() == ""


def test_unreachable_api_is_20503(tmp_path: Path, certificate: Path) -> None:
    """The client may fetch the verification and retry."""
    with run_nginx(tmp_path / "nginx", certificate, free_port()) as proxy:
        reply = proxy.send(post(VERIFICATIONS, To=ASHA, Channel="call"))
        assert is_refused(reply, 503, 20503)
        assert proxy.error_log() == ""
