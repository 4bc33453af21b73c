"""Printed requests of the demo."""

import shlex

from otpvoice_demo.printer import HttpRequest, select_members


def test_curl_command_quotes_arguments() -> None:
    """Quotes, spaces and other scripts reach the server unchanged."""
    body = {"to": "+919876543210", "name": "O'Brien आशा"}
    words = shlex.split(HttpRequest("POST", "http://x/?a=b c", "ovk_k'ey", body).curl())
    words = [word for word in words if word != "\n"]
    assert words[:3] == ["curl", "-sS", "http://x/?a=b c"]
    assert "Authorization: Bearer ovk_k'ey" in words
    assert words[-2:] == ["-d", '{"to": "+919876543210", "name": "O\'Brien आशा"}']


def test_curl_command_names_method_only_if_needed() -> None:
    """GET, and POST with a body, are curl's defaults."""
    assert "-X" not in HttpRequest("GET", "http://x").curl()
    assert "-X" not in HttpRequest("POST", "http://x", body={}).curl()
    assert "-X PUT" in HttpRequest("PUT", "http://x", body={}).curl()
    assert "-X POST" in HttpRequest("POST", "http://x").curl()


def test_request_repr_has_no_key_and_no_body() -> None:
    """A traceback may contain the repr."""
    text = repr(HttpRequest("POST", "http://x", "ovk_key", {"code": "123456"}))
    assert "ovk_key" not in text
    assert "123456" not in text


def test_select_members_counts_omitted_members() -> None:
    """At every level."""
    document = {"id": 1, "calls": [{"id": 2, "route": "obd"}], "a": 0, "b": None}
    assert select_members(document, {"id", "calls"}) == {
        "id": 1,
        "calls": [{"id": 2, "…": "1 more"}],
        "…": "2 more",
    }
    assert select_members({"id": 1}, {"id"}) == {"id": 1}
