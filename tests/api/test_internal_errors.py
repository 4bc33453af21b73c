"""A fault of ours while a refusal is written down: still a 500, and still nothing in the log."""

import pytest
from api.api_client import ApiClient, assert_problem, settings_with
from flask import Response
from redis import Redis

from otpvoice.api.errors import UnreadableBody
from otpvoice.app import create_app
from otpvoice.store.redis_store import RedisStore


def test_evidence_that_can_not_be_opened(api: ApiClient, redis: Redis) -> None:
    """A 409 shows the verification; when its number can not be read, that is our fault."""
    began = api.create()
    api.act(began, "cancel")
    (key,) = redis.scan_iter("*verification:vrf_*")
    redis.hset(key, "encrypted_number", "damaged")
    assert_problem(api.act(began, "approve"), 500, "internal_error")


def test_a_failing_refusal_leaks_no_path(
    environ: dict[str, str],
    store: RedisStore,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The place is logged under the request's id, once; neither the path nor what was handled."""
    app = create_app(settings_with(environ), store)

    @app.get("/fails/<secret>")
    def fails(secret: str) -> Response:
        raise UnreadableBody(f"{secret} \ud800")

    answer = app.test_client().get("/fails/canary?canary=1")
    body = assert_problem(answer, 500, "internal_error")
    assert "canary" not in answer.text
    printed = "".join(capfd.readouterr())
    assert "canary" not in printed + caplog.text
    assert printed.count("request.failed") == 1
    assert body["instance"].removeprefix("urn:request:") in printed
    assert "UnicodeEncodeError" in printed
