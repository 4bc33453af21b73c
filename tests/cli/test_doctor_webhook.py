"""``otpvoice doctor``: webhook, event and provider addresses over TLS and through proxies."""

import ssl

import pytest
from cli.cli_runner import serve_response
from cli.findings import doctor_findings, finding_about
from client.faulty_proxy import Fault, ProxiedRequest, never_reply, running_proxy
from providers.servers import serve_tls
from support.certificates import Authority
from support.raw_http import RawConnection

from otpvoice.diagnostics import Finding, Level
from otpvoice.diagnostics.network import connectivity_finding
from otpvoice.http_client import create_tls_context
from otpvoice_demo.stack import Stack, free_port

SECRET, TOKEN = "another-secret-of-the-webhook-1", "another-path-token-of-the-webhook"
OK, ADVICE, WARN, FAIL = Level


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return the authority of these tests."""
    return Authority.at(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusted(authority: Authority) -> ssl.SSLContext:
    """Return a context that trusts it."""
    return authority.trusted()


def forward_unchanged(exchange: ProxiedRequest) -> None:
    """Forward a request as a proxy that changes nothing."""
    _forward(exchange, exchange.request)


def strip_authorization(exchange: ProxiedRequest) -> None:
    """Forward a request as a proxy that removes credentials."""
    lines = exchange.request.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"authorization")]
    _forward(exchange, b"\r\n".join(kept))


def _forward(exchange: ProxiedRequest, request: bytes) -> None:
    with RawConnection(exchange.api_port) as line:
        line.send(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        exchange.reply(line.read_all())


def port_of(stack: Stack) -> int:
    """Return the port of the API."""
    return int(stack.url.rpartition(":")[2])


def findings_at(
    stack: Stack, url: str, trusted: ssl.SSLContext | None = None, **changes: str
) -> list[Finding]:
    """Run all checks with another ``public_url``."""
    environ = {
        "OTPVOICE_CONFIG": str(stack.config_path),
        "OTPVOICE_SERVER_PUBLIC_URL": url,
        # Unreachable, because these tests are not about the provider.
        "OTPVOICE_PROVIDER_BASE_URL": f"http://127.0.0.1:{free_port()}",
        **changes,
    }
    return doctor_findings(environ, trusted)


FORWARDED: list[Fault] = [forward_unchanged] * 9


def test_further_provider_is_checked_at_its_own_addresses(stack: Stack) -> None:
    """Its API, and its webhook, which the running service does not have."""
    own = {
        "KIND": "plivo",
        "AUTH_ID": "MA0000",
        "AUTH_TOKEN": "token-of-plivo",
        "BRIDGE": "12025550100",
        "TEXTS": "default=Your code is {otp}",
        "BASE_URL": f"http://127.0.0.1:{free_port()}/v1/",
    }
    changes = {f"OTPVOICE_PROVIDERS_FAR_{name}": value for name, value in own.items()}
    found = findings_at(stack, stack.url, None, **changes)
    assert finding_about(found, "webhook address").level is OK
    refused = finding_about(found, "webhook address of far")
    assert (refused.level, "HTTP 404, not 401" in refused.found) == (FAIL, True)
    silent = finding_about(found, "documents of far")
    assert (silent.level, "HTTP 404, not 405" in silent.found) == (FAIL, True)
    assert finding_about(found, "providers.far address").level is FAIL


def test_webhook_of_running_service_is_ok(
    stack: Stack, authority: Authority, trusted: ssl.SSLContext
) -> None:
    """The certificate's end is shown, and the service accepts the secret only."""
    with running_proxy(port_of(stack), *FORWARDED, tls=authority.server()) as front:
        found = findings_at(stack, front.url, trusted)
    assert finding_about(found, "public address").level is OK
    assert "in 89 days" in finding_about(found, "public address").found
    assert finding_about(found, "webhook address").level is OK
    assert finding_about(found, "provider.webhook_secret[0]").level is OK


@pytest.mark.parametrize(
    ("name", "days", "level", "text"),
    [
        ("localhost", (-90, -1), FAIL, "certificate has expired"),
        ("localhost", (1, 90), FAIL, "not yet valid"),
        ("otp.example.com", (-1, 89), FAIL, "not valid for 'localhost'"),
        ("localhost", (-80, 10), WARN, "in 10 days"),
        ("localhost", (-70, 20), OK, "in 20 days"),
        ("localhost", (-2, 4), OK, "in 4 days"),
        ("localhost", (-6, 1), WARN, "in 1 days"),
    ],
)
def test_certificate_decides_the_finding(
    authority: Authority,
    trusted: ssl.SSLContext,
    name: str,
    days: tuple[int, int],
    level: Level,
    text: str,
) -> None:
    """A warning in the last fourteen days, or in the last sixth of a short life."""
    with serve_tls(authority.server(name, days), b"") as url:
        finding = connectivity_finding("address", url, trusted, "a remedy")
        unknown = connectivity_finding("address", url, create_tls_context({}), "a remedy")
    assert (finding.level, text in finding.found) == (level, True), finding
    assert (unknown.level, "is refused" in unknown.found) == (FAIL, True)


def test_proxy_that_removes_authorization_is_a_failure(
    stack: Stack, authority: Authority, trusted: ssl.SSLContext
) -> None:
    """The service responds, and every callback would be refused."""
    faults = [strip_authorization] * 9
    with running_proxy(port_of(stack), *faults, tls=authority.server()) as front:
        found = findings_at(stack, front.url, trusted)
    assert finding_about(found, "webhook address").level is OK
    only = finding_about(found, "provider.webhook_secret[0]")
    assert (only.level, "401" in only.found) == (FAIL, True), only


def test_secret_unknown_to_running_service_is_a_failure(stack: Stack) -> None:
    """Each secret is named, and none is shown."""
    found = findings_at(
        stack,
        stack.url,
        OTPVOICE_PROVIDER_WEBHOOK_SECRET=SECRET,
        OTPVOICE_PROVIDER_WEBHOOK_PATH_TOKEN=TOKEN,
    )
    for subject in ("provider.webhook_secret[0]", "provider.webhook_path_token[0]"):
        assert finding_about(found, subject).level is FAIL
    assert not [s for s in (SECRET, TOKEN) if s in "".join(map(str, found))]
    assert TOKEN not in stack.log_path("api").read_text()


@pytest.mark.parametrize(
    ("status", "text"),
    [(404, "not from this service"), (401, "not from this service"), (301, "a redirect")],
)
def test_other_service_at_the_address_is_a_failure(stack: Stack, status: int, text: str) -> None:
    """Even if it responds with 401; no secret is sent to it."""
    with serve_response(status, b'{"error": "no"}', Location="http://elsewhere.example") as (
        url,
        requests,
    ):
        found = findings_at(stack, url, OTPVOICE_PROVIDER_WEBHOOK_PATH_TOKEN=TOKEN)
    only = finding_about(found, "webhook address")
    assert (only.level, text in only.found) == (FAIL, True), only
    assert requests == ["/webhooks/mobtexting"]


def test_unreachable_address_is_a_failure(stack: Stack) -> None:
    """Refused, unknown, or silent until the timeout."""
    port = free_port()
    refused = finding_about(findings_at(stack, f"http://127.0.0.1:{port}"), "public address")
    assert refused.found == f"127.0.0.1:{port} refuses the connection"
    unknown = finding_about(findings_at(stack, "https://otp.invalid"), "public address")
    assert unknown.level is FAIL
    with running_proxy(port_of(stack), never_reply) as front:
        found = findings_at(stack, front.url)
    assert "TimeoutError" in finding_about(found, "webhook address").found


def test_event_url_is_connected_without_a_request(
    stack: Stack, authority: Authority, trusted: ssl.SSLContext
) -> None:
    """The certificate is checked, and no event is sent."""
    secret = {
        "OTPVOICE_CLIENTS_DEMO_EVENT_SECRET": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" * 2
    }
    with running_proxy(port_of(stack), tls=authority.server()) as front:
        url = f"{front.url}/path-with-a-secret"
        found = findings_at(
            stack, stack.url, trusted, **secret, OTPVOICE_CLIENTS_DEMO_EVENT_URL=url
        )
    only = finding_about(found, "events of demo")
    assert (only.level, "in 89 days" in only.found) == (OK, True), only
    assert front.requests == []
    closed = f"https://127.0.0.1:{free_port()}/path-with-a-secret"
    found = findings_at(stack, stack.url, trusted, **secret, OTPVOICE_CLIENTS_DEMO_EVENT_URL=closed)
    assert finding_about(found, "events of demo").level is FAIL
    assert "path-with-a-secret" not in "".join(map(str, found))


def test_provider_with_invalid_certificate_gets_no_token(
    stack: Stack, authority: Authority, trusted: ssl.SSLContext
) -> None:
    """The certificate is checked before a request."""
    with running_proxy(port_of(stack), tls=authority.server(days=(-90, -1))) as front:
        found = findings_at(stack, stack.url, trusted, OTPVOICE_PROVIDER_BASE_URL=front.url)
    only = finding_about(found, "provider address")
    assert (only.level, "expired" in only.found) == (FAIL, True), only
    assert front.requests == []
