"""Parsing of responses, also of newer services and of others; and what errors never contain."""

import copy
import pickle
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from client.faulty_proxy import (
    Fault,
    drop_reply,
    drop_request,
    reply_problem,
    reply_with,
    running_proxy,
)
from client.samples import ALLOWED, ENDED, PENDING, UNUSED_PORT
from support.service import ASHA, LOGIN_KEY

from otpvoice_client import (
    ApiError,
    Client,
    ConnectionFailed,
    InvalidRequest,
    NotFound,
    OtpvoiceError,
    RateLimited,
    TokenExpired,
    TooManyWrongCodes,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
    Verification,
    WaitTimeout,
)

CODE = "482913"


def get_through(*faults: Fault) -> Verification:
    """Return the result of ``get`` when its attempts meet these faults."""
    with running_proxy(UNUSED_PORT, *faults) as proxy, Client(proxy.url, LOGIN_KEY) as client:
        return client.get("vrf_01")


def error_from(fault: Fault) -> ApiError:
    """Return the error of a response that is the same at every attempt."""
    with pytest.raises(ApiError) as error:
        get_through(*[fault] * 3)
    return error.value


def test_all_members_are_parsed() -> None:
    """Times are aware; calls and actions are typed."""
    verification = get_through(reply_with(200, PENDING))
    assert verification.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert verification.expires_in == 287
    (call,) = verification.calls
    assert (call.heard, call.duration) == (True, 12)
    assert call.ended_at == datetime(2026, 1, 1, 0, 0, 20, tzinfo=UTC)
    assert verification.next.call.reason == "call_gap"
    assert (verification.has_ended, get_through(reply_with(200, ENDED)).has_ended) == (False, True)


def test_unknown_members_and_words_of_a_newer_service_are_accepted() -> None:
    """Unknown members are ignored at every level; unknown words are passed on."""
    newer = copy.deepcopy(PENDING)
    newer |= {"status": "resting", "channel": "flashcall", "mood": {"a": 1}}
    newer["calls"][0] |= {"status": "whispering", "reason": "new_word", "quality": 5}
    newer["next"] |= {"sing": ALLOWED}
    newer["next"]["call"] |= {"reason": "new_word", "since": "yesterday"}
    verification = get_through(reply_with(200, newer))
    assert (verification.status, verification.channel, verification.has_ended) == (
        "resting",
        "flashcall",
        False,
    )
    assert (verification.calls[0].status, verification.calls[0].reason) == (
        "whispering",
        "new_word",
    )
    assert verification.next.call.reason == "new_word"


def test_client_token_and_receipt_are_returned() -> None:
    with running_proxy(
        UNUSED_PORT,
        reply_with(201, PENDING | {"client_token": "vct_01"}),
        reply_with(200, ENDED | {"valid": True, "receipt": "ey.J.x"}),
        reply_with(200, PENDING | {"valid": False}),
    ) as proxy:
        client = Client(proxy.url, LOGIN_KEY)
        created = client.create(ASHA)
        right, wrong = client.check("vrf_01", CODE), client.check("vrf_01", CODE)
    assert (created.client_token, get_through(reply_with(200, PENDING)).client_token) == (
        "vct_01",
        None,
    )
    assert (right.valid, right.receipt) == (True, "ey.J.x")
    assert (wrong.valid, wrong.receipt) == (False, None)


@pytest.mark.parametrize("valid", ["true", "false", 1, None, {}])
def test_valid_other_than_true_is_false(valid: Any) -> None:
    """Other values that are true in Python do not prove anything."""
    with running_proxy(UNUSED_PORT, reply_with(200, ENDED | {"valid": valid})) as proxy:
        assert not Client(proxy.url, LOGIN_KEY).check("vrf_01", CODE)


def test_unknown_problem_code_raises_the_class_of_its_status() -> None:
    known: dict[tuple[int, str], type[ApiError]] = {
        (401, "token_expired"): TokenExpired,
        (401, "new_word"): Unauthorized,
        (404, "new_word"): NotFound,
        (409, "new_word"): ApiError,
        (418, "new_word"): ApiError,
        (422, "new_word"): InvalidRequest,
        (429, "new_word"): RateLimited,
        (429, "too_many_wrong_codes"): TooManyWrongCodes,
        (500, "internal_error"): ApiError,
        (503, "new_word"): Unavailable,
    }
    for (status, code), kind in known.items():
        error = error_from(reply_problem(status, code, mood="new"))
        assert type(error) is kind
        assert (error.code, error.status, error.request_id) == (code, status, "r-1")


def test_all_evidence_of_a_problem_is_parsed() -> None:
    fault = {"pointer": "/ttl", "detail": "is wrong", "hint": "new"}
    evidence = {"errors": [fault], "limit": "calls_per_ip 2/1h", "retry_after": 7}
    error = error_from(reply_problem(429, "rate_limited", verification=PENDING, **evidence))
    assert (error.limit, error.retry_after, error.detail) == ("calls_per_ip 2/1h", 7, "No.")
    assert [(each.pointer, each.detail) for each in error.errors] == [("/ttl", "is wrong")]
    assert error.verification == get_through(reply_with(200, PENDING))
    assert error.problem.limit == error.limit


@pytest.mark.parametrize(
    "fault",
    [
        reply_with(200, b"<html>", "text/html"),
        reply_with(200, [PENDING]),
        reply_with(200, {}),
        reply_with(200, PENDING | {"calls": None}),
        reply_with(200, PENDING | {"created_at": "yesterday"}),
        reply_with(200, PENDING | {"next": {}}),
        reply_with(404, b"<html>", "text/html"),
        reply_with(403, {"message": "a firewall"}),
        reply_with(400, {"title": "another service's"}, "application/problem+json"),
        reply_with(500, b"", "text/plain"),
    ],
)
def test_response_of_another_service_raises_unexpected_response(fault: Fault) -> None:
    with (
        running_proxy(UNUSED_PORT, fault) as proxy,
        pytest.raises(UnexpectedResponse, match="is not a response of otpvoice"),
    ):
        Client(proxy.url, LOGIN_KEY).get("vrf_01")
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_not_followed(status: int) -> None:
    """Neither code nor key is sent to the other address."""
    with running_proxy(UNUSED_PORT) as elsewhere:
        redirect = reply_with(
            status, b"", "text/plain", location=f"{elsewhere.url}/v1/verifications"
        )
        with running_proxy(UNUSED_PORT, redirect) as proxy, pytest.raises(UnexpectedResponse):
            Client(proxy.url, LOGIN_KEY).check("vrf_01", CODE)
    assert (len(proxy.requests), elsewhere.requests) == (1, [])


def test_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend may reach the network through a proxy only."""
    with running_proxy(UNUSED_PORT, reply_with(200, PENDING)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        Client("http://otp.example.test", LOGIN_KEY).get("vrf_01")
    assert proxy.requests[0].request_line == (
        "GET http://otp.example.test/v1/verifications/vrf_01 HTTP/1.1"
    )


def test_netrc_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An entry for this machine belongs to another service."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with running_proxy(UNUSED_PORT, reply_with(200, PENDING)) as proxy:
        Client(proxy.url, LOGIN_KEY).get("vrf_01")
    assert proxy.requests[0].headers["Authorization"] == f"Bearer {LOGIN_KEY}"


@pytest.mark.parametrize(
    "fault",
    [
        drop_request,
        drop_reply,
        reply_with(200, b"{"),
        reply_problem(409, "verification_closed", verification=ENDED),
    ],
)
def test_errors_contain_no_secret(fault: Fault) -> None:
    """Text, repr, traceback and chained errors contain no key, code or number."""
    with (
        running_proxy(UNUSED_PORT, fault, fault, fault) as proxy,
        pytest.raises(OtpvoiceError) as raised,
    ):
        Client(proxy.url, LOGIN_KEY).check("vrf_01", CODE)
    shown = [repr(raised.value), str(raised.value), *traceback.format_exception(raised.value)]
    for secret in (LOGIN_KEY, CODE, ASHA):
        assert secret not in "".join(shown)
    assert raised.value.__cause__ is None


def test_reprs_contain_no_secret() -> None:
    """A backend's log may hold the repr of anything."""
    with running_proxy(
        UNUSED_PORT,
        reply_with(201, PENDING | {"client_token": "vct_01"}),
        reply_with(200, ENDED | {"valid": True, "receipt": "ey.J.x"}),
    ) as proxy:
        client = Client(proxy.url, LOGIN_KEY)
        shown = f"{client!r} {client.create(ASHA)!r} {client.check('vrf_01', CODE)!r}"
    assert "vrf_01" in shown
    for secret in (LOGIN_KEY, CODE, ASHA, ASHA[1:], "vct_01", "ey.J.x"):
        assert secret not in shown


def test_errors_can_be_pickled() -> None:
    """A queue of worker processes transfers them unchanged."""
    pending = get_through(reply_with(200, PENDING))
    errors = [
        error_from(reply_problem(429, "rate_limited", limit="calls_per_ip", verification=PENDING)),
        ConnectionFailed("no response", 3),
        WaitTimeout(pending),
        UnexpectedResponse("HTTP 301"),
    ]
    for error in errors:
        arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        assert type(arrived) is type(error)
        assert (str(arrived), arrived.retry_after) == (str(error), error.retry_after)
        assert vars(arrived) == vars(error)
