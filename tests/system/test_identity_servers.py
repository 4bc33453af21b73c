"""Each page of docs/integrations leads to a call: its settings and its request are used as written.

One service has the clients of all pages. A phone of the sandbox rings and hears the code.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import requests
from support.identity_servers import (
    ALL,
    CASDOOR,
    FORM,
    IdentityServer,
    bearer,
    encode,
    is_success,
)
from support.processes import TIMEOUT_S, wait_until
from support.service import ASHA, RunningService
from support.stack import running_service

from otpvoice.settings.hook_kinds import HookKind

FOLDER: Final = Path(__file__).parents[2] / "docs" / "integrations"
AS_PRINTED: Final = '"<as printed>"'


@dataclass(frozen=True)
class Page:
    """What a reader copies from a page, and what the page says the server sends."""

    server: IdentityServer
    table: str
    """The client in the settings, with a key as ``otpvoice keys new`` would print it."""
    request: dict[str, Any]

    @property
    def code(self) -> str:
        """The code in the request."""
        code: str
        (code,) = {*re.findall(r"(?<![0-9])04711[0-9](?![0-9])", json.dumps(self.request))}
        return code

    def headers(self, body: bytes) -> dict[str, str]:
        """Return the headers of the request, with the secret of the page if the server signs."""
        client = tomllib.loads(self.table)["clients"][self.server.kind]
        secret = [client["hook_secret"]] if self.server.sign else []
        return self.server.headers(body, *secret)


def read_page(server: IdentityServer) -> Page:
    """Return the blocks of a page."""
    text = (FOLDER / f"{server.kind}.md").read_text("utf-8")
    (table,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (request,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert table.count(AS_PRINTED) == 1
    printed = f'"{hashlib.sha256(server.api_key.encode()).hexdigest()}"'
    return Page(server, table.replace(AS_PRINTED, printed), json.loads(request))


PAGES: Final = [read_page(server) for server in ALL]


@pytest.fixture(scope="module")
def service(
    environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """Run a service with the tables of all pages in its settings file."""
    folder = tmp_path_factory.mktemp("identity-servers")
    config = folder / "otpvoice.toml"
    config.write_text("\n".join(page.table for page in PAGES), encoding="utf-8")
    with running_service(environ, folder, OTPVOICE_CONFIG=str(config)) as stack:
        yield stack.service


def post(
    service: RunningService, page: Page, body: bytes, headers: dict[str, str]
) -> requests.Response:
    """Send the request of a page."""
    url = f"{service.url}{page.server.path}"
    return requests.post(url, data=body, headers=headers, timeout=TIMEOUT_S)


def heard_codes(service: RunningService) -> list[str]:
    """Return the digits that the phone heard, oldest first."""
    calls = service.phones.calls(ASHA)
    return ["".join(re.findall(r"\d", call["spoken"])) for call in calls if call["spoken"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.server.kind)
def test_page_leads_to_a_call(service: RunningService, page: Page) -> None:
    """The request is answered as the server expects, three times, and the phone rings once."""
    body = encode(page.request)
    for _ in range(3):
        response = post(service, page, body, page.headers(body))
        assert is_success(page.server.kind, response.status_code, response.json()), response.text
        assert response.headers["Content-Type"] == "application/json"
    wait_until(lambda: page.code in heard_codes(service), "the phone to hear the code")
    post(service, page, body, page.headers(body))
    assert heard_codes(service).count(page.code) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.server.kind)
def test_forged_request_rings_no_phone(service: RunningService, page: Page) -> None:
    """Unsigned, stale, or with the credential of another client; then a genuine one rings."""
    body = encode(page.request).replace(page.code.encode(), b"999999")
    others = [other.headers(body) for other in PAGES if other.server is not page.server]
    stale = [page.server.headers(body, age_s=400)] if page.server.sign else []
    for headers in [{}, bearer("ovk_unknown"), *others, *stale]:
        assert post(service, page, body, headers).status_code == 401
    genuine = encode(page.server.body(ASHA, f"88888{PAGES.index(page)}"))
    post(service, page, genuine, page.headers(genuine))
    wait_until(lambda: f"88888{PAGES.index(page)}" in heard_codes(service), "the genuine call")
    assert "999999" not in heard_codes(service)


def test_casdoor_page_works_with_a_form_too(service: RunningService) -> None:
    """Its other content type."""
    (page,) = [page for page in PAGES if page.server is CASDOOR]
    form = urlencode(page.request | {"content": "777777"}).encode()
    response = post(service, page, form, {**FORM, **bearer(CASDOOR.api_key)})
    assert is_success("casdoor", response.status_code, response.json())
    wait_until(lambda: "777777" in heard_codes(service), "the phone to hear the code")


def test_index_links_every_page_and_lists_every_kind() -> None:
    """The kinds in a table, with the settings' word as the page's name."""
    index = (FOLDER / "README.md").read_text("utf-8")
    linked = re.findall(r"\]\(([\w-]+)\.md\)", index)
    assert linked[: len(HookKind)] == [*HookKind]
    assert {*linked, "README"} == {path.stem for path in FOLDER.glob("*.md")}
    assert {page.server.kind for page in PAGES} == {*HookKind}
