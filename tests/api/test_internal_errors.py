"""Errors while an error response is built: 500, and no secret in the log."""

import pytest
from api.api_client import ApiClient, assert_problem, settings_with
from flask import Response
from redis import Redis

from otpvoice.api.errors import UnreadableBody
from otpvoice.app import create_app
from otpvoice.store.redis_store import RedisStore


def test_undecryptable_number_in_a_409_returns_500(api: ApiClient, redis: Redis) -> None:
    """The problem would show the verification, whose number cannot be decrypted."""
    created = api.create()
    api.act(created, "cancel")
    (key,) = redis.scan_iter("*verification:vrf_*")
    redis.hset(key, "encrypted_number", "damaged")
    assert_problem(api.act(created, "approve"), 500, "internal_error")


def test_failing_error_handler_logs_no_path(
    environ: dict[str, str],
    store: RedisStore,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The location is logged once under the request's id, without path or data."""
    app = create_app(settings_with(environ), store)

    @app.get("/fails/<secret>")
    def fails(secret: str) -> Response:
        raise UnreadableBody(f"{secret} \ud800")

    response = app.test_client().get("/fails/canary?canary=1")
    body = assert_problem(response, 500, "internal_error")
    assert "canary" not in response.text
    printed = "".join(capfd.readouterr())
    assert "canary" not in printed + caplog.text
    assert printed.count("request.failed") == 1
    assert body["instance"].removeprefix("urn:request:") in printed
    assert "UnicodeEncodeError" in printed
