"""``/docs``: pages that browsers open without errors and that load nothing from other hosts."""

import json
import os
import re
import subprocess
from typing import Any

import pytest
import requests
from api.api_client import ApiClient, assert_problem
from browser import BrowserSession
from javascript.node import Node
from playwright.sync_api import Page, expect
from support.axe import violations
from support.service import LOGIN_KEY
from support.stack import ApiProcess
from visual_checks import assert_fits_and_is_legible, assert_fits_every_screen

from otpvoice.api.errors import BAD_REQUEST, INTERNAL_ERROR, PROBLEM_TYPES
from otpvoice.store.redis_store import RedisStore

PHONE = {"width": 390, "height": 844}
SIZES = [{"width": 1280, "height": 900}, PHONE]
FILES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
    "docs.js": "text/javascript; charset=utf-8",
    "docs.css": "text/css; charset=utf-8",
}
CREATE = "#operations-verifications-create_verification"


def url_of(served: ApiProcess, path: str) -> str:
    """Return a URL of the service."""
    return f"http://127.0.0.1:{served.port}{path}"


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/errors"])
def test_page_policy_allows_own_files_only(api: ApiClient, path: str) -> None:
    """No inline script or style, no other host, no frame."""
    response = api.client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert response.content_type == "text/html; charset=utf-8"
    policy = dict(
        each.strip().partition(" ")[::2]
        for each in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert not re.search(r"<script>|<style|\son\w+=|\sstyle=|//", response.text.lower())


@pytest.mark.parametrize(("name", "kind"), FILES.items())
def test_page_files_are_served_with_type_and_etag(api: ApiClient, name: str, kind: str) -> None:
    """A cached file returns 304."""
    response = api.client.get(f"/docs/{name}")
    assert (response.status_code, response.content_type) == (200, kind)
    assert response.headers["Cache-Control"] == "public, max-age=300"
    has = {"If-None-Match": response.headers["ETag"]}
    assert api.client.get(f"/docs/{name}", headers=has).status_code == 304


@pytest.mark.parametrize("path", ["/openapi.json", "/.well-known/jwks.json"])
def test_public_documents_are_read_by_pages_of_every_origin(api: ApiClient, path: str) -> None:
    """Also when they have not changed, and not the pages themselves."""
    response = api.client.get(path, headers={"Origin": "https://tools.example"})
    assert response.content_type == "application/json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cache-Control"] == "public, max-age=300"
    has = {"If-None-Match": response.headers["ETag"]}
    again = api.client.get(path, headers=has)
    assert (again.status_code, again.text) == (304, "")
    assert again.headers["Access-Control-Allow-Origin"] == "*"
    changed = api.client.get(path, headers={"If-None-Match": '"other"'})
    assert (changed.status_code, changed.data) == (200, response.data)
    for private in ("/", "/docs", "/readyz", "/v1/verifications"):
        assert "Access-Control-Allow-Origin" not in api.client.get(private).headers


PUBLIC = ["/", "/docs", "/openapi.json", "/docs/errors", "/docs/docs.js", "/.well-known/jwks.json"]


@pytest.mark.parametrize("path", PUBLIC)
def test_if_match_is_evaluated_before_if_none_match(api: ApiClient, path: str) -> None:
    """RFC 9110, section 13.2.2. The comparison is strong (section 13.1.1)."""
    etag = api.client.get(path).headers["ETag"]
    for wanted in (etag, "*", f'"other", {etag}'):
        assert api.client.get(path, headers={"If-Match": wanted}).status_code == 200
        both = {"If-Match": wanted, "If-None-Match": etag}
        assert api.client.get(path, headers=both).status_code == 304
    for wanted in ('"other"', f"W/{etag}", ""):
        both = {"If-Match": wanted, "If-None-Match": etag}
        refused = api.client.get(path, headers=both)
        assert_problem(refused, 412, "invalid_request")


@pytest.mark.parametrize(
    "name", ["docs.html", "errors.html", "nothing", "..%2fdocs.py", "%2e%2e", "swagger-ui.css%00"]
)
def test_unknown_page_file_returns_404(api: ApiClient, name: str) -> None:
    """Also outside of the folder."""
    assert api.client.get(f"/docs/{name}").status_code == 404


def test_front_page_leads_to_docs_of_all_operations(
    browsing: BrowserSession, served: ApiProcess
) -> None:
    """Both pages follow the color scheme, the docs from their first moment.

    Operations are found by method, path and words of the description.
    """
    document = requests.get(url_of(served, "/openapi.json"), timeout=10).json()
    listed = [*document["paths"].values(), *document["webhooks"].values()]
    page = browsing.open(url_of(served, "/"))
    assert_fits_and_is_legible(page)
    page.emulate_media(color_scheme="dark")
    page.get_by_role("link", name="API reference").click()
    expect(page.locator("html")).to_have_class("dark-mode")
    expect(page.locator(".opblock")).to_have_count(sum(map(len, listed)))
    expect(page.locator("body")).not_to_contain_text("Errors")
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).not_to_have_class("dark-mode")
    for phrase, found in (
        ("cancel", ["cancel_verification"]),
        ("POST checks", ["check_code", "check_code_by_number"]),
        ("receipts verify", ["get_receipt_keys"]),
        ("nothing of the kind", []),
    ):
        page.get_by_placeholder("Search operations").fill(phrase)
        for operation in found:
            expect(page.locator(f'.opblock[id$="-{operation}"]')).to_be_visible()
        expect(page.locator(".opblock")).to_have_count(len(found))


def test_docs_operation_is_short_has_sample_and_is_tried_out(
    browsing: BrowserSession, served: ApiProcess, store: RedisStore
) -> None:
    """An open operation takes a few screens, even of a phone; each error opens on request."""
    store.sweep("a dialer")
    page = browsing.open(url_of(served, "/docs"), viewport=PHONE)
    authorize_by_keyboard(page)
    create = page.locator(CREATE)
    create.locator(".opblock-summary-control").click()
    expect(create.locator(".sample")).to_contain_text('curl "$OTPVOICE_URL/v1/verifications"')
    expect(create.locator("tr.response", has_text="was created")).to_contain_text("client_token")
    refusal = create.locator('tr.response[data-code="429"]')
    expect(refusal).to_contain_text("rate_limited")
    box = create.bounding_box()
    assert box is not None
    assert box["height"] < 4500
    refusal.get_by_role("button", name="Show response 429").click()
    expect(create.locator("tr.response", has_text="rate_limited")).to_contain_text("retry_after")
    assert_fits_every_screen(page)
    create.locator(".try-out__btn").click()
    create.locator(".execute").click()
    status = create.locator(".live-responses-table .response .response-col_status")
    expect(status).to_contain_text("201")
    stored = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
    assert stored == [0, 0, ""], "the API key is kept beyond the page"


def authorize_by_keyboard(page: Page) -> None:
    """Type the API key: its field has the focus, and Enter submits."""
    page.locator("button.authorize").first.click()
    expect(page.locator(".auth-container input").first).to_be_focused()
    expect(page.locator(".auth-container").first).to_contain_text("api_key")
    page.keyboard.type(LOGIN_KEY)
    page.keyboard.press("Enter")
    expect(page.locator(".auth-container").first).to_contain_text("Authorized")
    page.locator(".close-modal").click()


def test_docs_sample_works_as_it_is(served: ApiProcess, store: RedisStore) -> None:
    """In a shell that has the two variables."""
    store.sweep("a dialer")
    document = requests.get(url_of(served, "/openapi.json"), timeout=10).json()
    environ = {"OTPVOICE_URL": url_of(served, ""), "OTPVOICE_API_KEY": LOGIN_KEY}

    def response(path: str, method: str, **further: str) -> dict[str, Any]:
        (sample,) = document["paths"][path][method]["x-codeSamples"]
        done = subprocess.run(
            ["sh", "-c", f"{sample['source']} -s"],
            env=os.environ | environ | further,
            capture_output=True,
            check=True,
        )
        body: dict[str, Any] = json.loads(done.stdout)
        return body

    begun = response("/v1/verifications", "post")
    one = "/v1/verifications/{verification_id}"
    assert response(one, "get", VERIFICATION_ID=begun["id"])["id"] == begun["id"]
    assert response(f"{one}/checks", "post", VERIFICATION_ID=begun["id"])["code"] == "no_call_yet"
    assert response(f"{one}/cancel", "post", VERIFICATION_ID=begun["id"])["status"] == "canceled"
    assert response("/readyz", "get")["status"] == "ok"


@pytest.mark.parametrize("size", SIZES)
def test_problem_type_leads_to_its_explanation(
    browsing: BrowserSession, served: ApiProcess, store: RedisStore, size: dict[str, int]
) -> None:
    """Following ``type``, as RFC 9457 describes."""
    store.sweep("a dialer")
    rejected = served.send(b"GET /v1/verifications/x HTTP/1.1\r\nHost: otp.example.com\r\n\r\n")
    page = browsing.open(
        url_of(served, rejected.document["type"].removeprefix("https://otp.example.com")),
        viewport=size,
    )
    expect(page.locator("h2:target")).to_have_text("unauthorized")
    expect(page.locator("h2:target")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_front_page_has_no_fault_for_assistive_technology(
    page: Page, served: ApiProcess, node: Node
) -> None:
    """As axe-core judges it."""
    del node  # has axe-core
    page.goto(url_of(served, "/"))
    assert violations(page) == []


def test_errors_page_fits_the_screen(page: Page, served: ApiProcess) -> None:
    """Also at a fragment, in light and dark mode."""
    page.goto(url_of(served, "/docs/errors#rate_limited"))
    assert_fits_and_is_legible(page)


def test_errors_page_explains_every_code(api: ApiClient) -> None:
    """Each once, with its statuses and titles."""
    page = api.client.get("/docs/errors").text
    listed = re.findall(r'<h2 id="(\w+)">', page)
    table = [*PROBLEM_TYPES.values(), BAD_REQUEST, INTERNAL_ERROR]
    assert set(listed) == {each.code for each in table}
    assert len(listed) == len(set(listed))
    assert all(each.title in page and f"<strong>{each.status}</strong>" in page for each in table)
