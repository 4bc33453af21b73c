"""The front page, and responses to wrong paths and methods."""

import re

import pytest
from api.api_client import ApiClient, assert_problem, settings_with

from otpvoice.app import create_app

ID = "vrf_" + "0a" * 16
CREATE = "/v1/verifications"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/verifications/", CREATE),
        ("/v1//verifications", CREATE),
        ("/V1/Verifications", CREATE),
        ("/v1/verification", CREATE),
        ("/verifications", CREATE),
        ("/api/v1/verifications", CREATE),
        ("/v2/verifications", ""),
        (f"/v1/verifications/{ID}/", f"{CREATE}/{{verification_id}}"),
        (f"/v1/verifications/{ID}/check", f"{CREATE}/{{verification_id}}/checks"),
        (f"/v1/verification/{ID}/calls/", f"{CREATE}/{{verification_id}}/calls"),
        (f"/verifications/{ID}/cancel", f"{CREATE}/{{verification_id}}/cancel"),
        ("/health", "/healthz"),
        ("/readyz/", "/readyz"),
        ("/doc", "/docs"),
        ("/docs/", "/docs"),
        ("/openapi.yaml", "/openapi.json"),
        ("/webhook/mobtexting", "/webhooks/mobtexting"),
        ("/.well-known/jwks", "/.well-known/jwks.json"),
        ("/nowhere", ""),
        ("/wp-login.php", ""),
        ("/" + "a/" * 2000, ""),
        ("/" + "v" * 4000, ""),
        ("/%00/%ff", ""),
    ],
)
def test_unknown_path_returns_404_with_a_suggestion(api: ApiClient, path: str, meant: str) -> None:
    """Without a redirect."""
    response = api.get(path)
    detail = assert_problem(response, 404, "not_found")["detail"]
    hint = f"Did you mean {meant}?" if meant else "See /docs for all paths."
    assert detail == f"This path does not exist. {hint}"
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    "path",
    ["/webhooks/mobtexting/a-secret/x", "/webhook/mobtexting/a-secret", "/a-secret", "/consol"],
)
def test_suggestion_omits_the_path_and_the_console(api: ApiClient, path: str) -> None:
    """A path may contain a secret."""
    detail = assert_problem(api.get(path), 404, "not_found")["detail"]
    assert "a-secret" not in detail
    assert "console" not in detail


@pytest.mark.parametrize(
    ("method", "path", "methods"),
    [
        ("GET", CREATE, "POST"),
        ("DELETE", f"{CREATE}/{ID}", "GET"),
        ("GET", f"{CREATE}/{ID}/checks", "POST"),
        ("PATCH", "/webhooks/mobtexting", "GET or POST or PUT"),
        ("POST", "/docs", "GET"),
        ("BREW", "/healthz", "GET"),
    ],
)
def test_wrong_method_returns_405_with_the_right_one(
    api: ApiClient, method: str, path: str, methods: str
) -> None:
    """As Allow does, in a sentence."""
    response = api.client.open(path, method=method)
    assert assert_problem(response, 405, "method_not_allowed")["detail"].endswith(
        f" Use {methods}."
    )


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("text/html", "text/html"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
        ("image/png", "application/json"),
        (None, "application/json"),
    ],
)
def test_front_page_is_html_for_browsers_and_json_for_others(
    api: ApiClient, accept: str | None, kind: str
) -> None:
    """By content negotiation; caches keep both."""
    response = api.client.get("/", headers={"Accept": accept} if accept else {})
    assert (response.status_code, response.mimetype) == (200, kind)
    assert "Accept" in response.headers["Vary"]


def test_front_page_links_lead_somewhere_on_this_host(api: ApiClient) -> None:
    """Every link of both forms works; nothing comes from another host."""
    page = api.client.get("/", headers={"Accept": "text/html"})
    links = re.findall(r'href="([^"]*)"', page.text)
    assert links
    assert not any(":" in link or link.startswith("/") for link in links)
    addresses = [f"/{link}" for link in links] + [*api.client.get("/").get_json().values()][1:]
    assert {api.client.get(address).status_code for address in addresses} == {200}
    assert "console" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_front_page_links_to_an_enabled_console(api: ApiClient, environ: dict[str, str]) -> None:
    """The console requires a key."""
    settings = settings_with(environ, secrets_admin_key_sha256="0" * 64)
    app = create_app(settings, api.store)
    page = app.test_client().get("/", headers={"Accept": "text/html"})
    assert 'href="console"' in page.text
    assert app.test_client().get("/console").status_code == 401
