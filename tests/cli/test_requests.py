"""Requests as they are told: what is copied does what was done."""

import shlex

from otpvoice_demo.printer import HttpRequest, select_members


def test_a_curl_line_survives_the_shell() -> None:
    """Quotes, blanks and other scripts reach the server as they were."""
    body = {"to": "+919876543210", "name": "O'Brien आशा"}
    words = shlex.split(HttpRequest("POST", "http://x/?a=b c", "ovk_k'ey", body).curl())
    words = [word for word in words if word != "\n"]
    assert words[:3] == ["curl", "-sS", "http://x/?a=b c"]
    assert "Authorization: Bearer ovk_k'ey" in words
    assert words[-2:] == ["-d", '{"to": "+919876543210", "name": "O\'Brien आशा"}']


def test_a_method_is_named_only_where_curl_would_choose_another() -> None:
    """GET, and POST with a body, are curl's own choices."""
    assert "-X" not in HttpRequest("GET", "http://x").curl()
    assert "-X" not in HttpRequest("POST", "http://x", body={}).curl()
    assert "-X PUT" in HttpRequest("PUT", "http://x", body={}).curl()
    assert "-X POST" in HttpRequest("POST", "http://x").curl()


def test_a_request_does_not_show_its_key() -> None:
    """Neither key nor body stand in its repr, which may end in a traceback."""
    shown = repr(HttpRequest("POST", "http://x", "ovk_key", {"code": "123456"}))
    assert "ovk_key" not in shown
    assert "123456" not in shown


def test_what_is_left_out_is_counted() -> None:
    """At every level; what is whole carries no mark."""
    told = {"id": 1, "calls": [{"id": 2, "route": "obd"}], "a": 0, "b": None}
    assert select_members(told, {"id", "calls"}) == {
        "id": 1,
        "calls": [{"id": 2, "…": "1 more"}],
        "…": "2 more",
    }
    assert select_members({"id": 1}, {"id"}) == {"id": 1}
