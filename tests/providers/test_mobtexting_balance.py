"""The balance query, which shows whether the token is accepted."""

import pytest
from cli.cli_runner import serve_response

from otpvoice.http_client import HttpClient
from otpvoice.providers.mobtexting.queries import fetch_balance
from otpvoice_sandbox import ReplyStyle, RunningSandbox, SandboxConfig


@pytest.mark.parametrize("refusals", ["http", "in_body"])
def test_refused_token_differs_from_unreachable_provider(refusals: str) -> None:
    """401, by HTTP or in the body of a 200; None without a response."""
    style = ReplyStyle(refusals="http" if refusals == "http" else "in_body")
    with RunningSandbox(SandboxConfig(token="right", reply_style=style)) as sandbox:
        assert fetch_balance(sandbox.api_url, "right", HttpClient()).credits == "1000.0000"
        assert fetch_balance(sandbox.api_url, "wrong", HttpClient()).status == 401
    assert fetch_balance(sandbox.api_url, "right", HttpClient()).status is None


def test_token_does_not_follow_a_redirect() -> None:
    """The redirect is the result."""
    with (
        serve_response(200, b"{}") as (elsewhere, requests_elsewhere),
        serve_response(302, b"", Location=elsewhere) as (url, requests),
    ):
        assert fetch_balance(url, "token", HttpClient()).status == 302
    assert requests == ["/finance/balance"]
    assert requests_elsewhere == []
