"""``otpvoice doctor``: whether callbacks find this service, over TLS and through proxies."""

import ssl
import time

import pytest
from cli.certificates import Authority
from cli.cli_runner import serve_response
from cli.findings import doctor_findings, finding_about
from client.faulty_proxy import Fault, ProxiedRequest, never_reply, running_proxy
from support.raw_http import RawConnection

from otpvoice.cli.doctor.findings import Finding, Level
from otpvoice_demo.stack import Stack, free_port

SECRET, TOKEN = "another-secret-of-the-webhook-1", "another-path-token-of-the-webhook"
OK, ADVICE, WARN, FAIL = Level


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whose certificates count in these tests."""
    return Authority.at(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusted(authority: Authority) -> ssl.SSLContext:
    """Trusts it."""
    return authority.trusted()


def forward_unchanged(exchange: ProxiedRequest) -> None:
    """A proxy that changes nothing."""
    _forward(exchange, exchange.request)


def strip_authorization(exchange: ProxiedRequest) -> None:
    """A proxy that keeps credentials to itself."""
    lines = exchange.request.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"authorization")]
    _forward(exchange, b"\r\n".join(kept))


def _forward(exchange: ProxiedRequest, request: bytes) -> None:
    with RawConnection(exchange.api_port) as line:
        line.send(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        exchange.reply(line.read_all())


def port_of(stack: Stack) -> int:
    """Where the API listens."""
    return int(stack.url.rpartition(":")[2])


def findings_at(
    stack: Stack, url: str, trusted: ssl.SSLContext | None = None, **changes: str
) -> list[Finding]:
    """What is found with another ``public_url``."""
    given = {
        "OTPVOICE_CONFIG": str(stack.config_path),
        "OTPVOICE_SERVER_PUBLIC_URL": url,
        # Nobody there: what is found of it is about something else.
        "OTPVOICE_PROVIDER_BASE_URL": f"http://127.0.0.1:{free_port()}",
        **changes,
    }
    return doctor_findings(given, trusted)


FORWARDED: list[Fault] = [forward_unchanged] * 9


def test_a_sound_address_is_ok(stack: Stack, authority: Authority, trusted: ssl.SSLContext) -> None:
    """Its certificate's end is told; the service refuses strangers and knows the secret."""
    with running_proxy(port_of(stack), *FORWARDED, tls=authority.server()) as front:
        found = findings_at(stack, front.url, trusted)
    assert finding_about(found, "public address").level is OK
    assert "in 89 days" in finding_about(found, "public address").found
    assert finding_about(found, "webhook address").level is OK
    assert finding_about(found, "provider.webhook_secret[0]").level is OK


@pytest.mark.parametrize(
    ("name", "days", "told"),
    [
        ("localhost", (-90, -1), "certificate has expired"),
        ("localhost", (1, 90), "not yet valid"),
        ("otp.example.com", (-1, 89), "not valid for 'localhost'"),
    ],
)
def test_a_certificate_that_does_not_hold_is_told(
    stack: Stack,
    authority: Authority,
    trusted: ssl.SSLContext,
    name: str,
    days: tuple[int, int],
    told: str,
) -> None:
    """Expired, not begun, or another name's; and not one byte is sent there."""
    with running_proxy(port_of(stack), tls=authority.server(name, days)) as front:
        found = findings_at(stack, front.url, trusted)
    only = finding_about(found, "public address")
    assert (only.level, told in only.found) == (FAIL, True), only
    assert front.requests == []
    assert not [each for each in found if each.subject == "webhook address"]


def test_an_authority_that_nobody_knows_is_told(stack: Stack, authority: Authority) -> None:
    """The provider would not trust it either."""
    with running_proxy(port_of(stack), tls=authority.server()) as front:
        only = finding_about(findings_at(stack, front.url), "public address")
    assert (only.level, "certificate of localhost is refused" in only.found) == (FAIL, True), only


@pytest.mark.parametrize(
    ("days", "level"), [((-80, 10), WARN), ((-70, 20), OK), ((-2, 4), OK), ((-6, 1), WARN)]
)
def test_a_certificate_that_ends_soon_is_a_warning(
    stack: Stack,
    authority: Authority,
    trusted: ssl.SSLContext,
    days: tuple[int, int],
    level: Level,
) -> None:
    """Within fourteen days; one of a few days, in the last sixth of its life."""
    with running_proxy(port_of(stack), *FORWARDED, tls=authority.server(days=days)) as front:
        only = finding_about(findings_at(stack, front.url, trusted), "public address")
    assert only.level is level, only


def test_a_proxy_that_drops_authorization_is_found(
    stack: Stack, authority: Authority, trusted: ssl.SSLContext
) -> None:
    """The service answers, and every callback would be refused."""
    fates = [strip_authorization] * 9
    with running_proxy(port_of(stack), *fates, tls=authority.server()) as front:
        found = findings_at(stack, front.url, trusted)
    assert finding_about(found, "webhook address").level is OK
    only = finding_about(found, "provider.webhook_secret[0]")
    assert (only.level, "401" in only.found) == (FAIL, True), only


def test_secrets_that_the_running_service_does_not_know_are_found(stack: Stack) -> None:
    """Deployed here and not there: each is told by its name, and none is shown."""
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
    ("status", "told"),
    [(404, "not from this service"), (401, "not from this service"), (301, "a redirect")],
)
def test_somebody_else_at_the_address_is_found(stack: Stack, status: int, told: str) -> None:
    """A 401 of another's, too; and then no secret is sent there."""
    with serve_response(status, b'{"error": "no"}', Location="http://elsewhere.example") as (
        url,
        asked,
    ):
        found = findings_at(stack, url, OTPVOICE_PROVIDER_WEBHOOK_PATH_TOKEN=TOKEN)
    only = finding_about(found, "webhook address")
    assert (only.level, told in only.found) == (FAIL, True), only
    assert asked == ["/webhooks/mobtexting"]


def test_an_address_that_is_not_there_is_told(stack: Stack) -> None:
    """Nobody listens; no such name; and silence is waited for so long, and no longer."""
    port = free_port()
    gone = finding_about(findings_at(stack, f"http://127.0.0.1:{port}"), "public address")
    assert gone.found == f"127.0.0.1:{port} refuses the connection"
    unknown = finding_about(findings_at(stack, "https://otp.invalid"), "public address")
    assert unknown.level is FAIL
    began = time.monotonic()
    with running_proxy(port_of(stack), never_reply) as front:
        found = findings_at(stack, front.url)
    assert "TimeoutError" in finding_about(found, "webhook address").found
    assert time.monotonic() - began < 10


def test_events_are_only_knocked_for(
    stack: Stack, authority: Authority, trusted: ssl.SSLContext
) -> None:
    """The receiver's address is reached and its certificate looked at; nothing is sent to it."""
    given = {
        "OTPVOICE_CLIENTS_DEMO_EVENT_SECRET": "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" * 2
    }
    with running_proxy(port_of(stack), tls=authority.server()) as front:
        url = f"{front.url}/path-with-a-secret"
        found = findings_at(stack, stack.url, trusted, **given, OTPVOICE_CLIENTS_DEMO_EVENT_URL=url)
    only = finding_about(found, "events of demo")
    assert (only.level, "in 89 days" in only.found) == (OK, True), only
    assert front.requests == []
    nobody = f"https://127.0.0.1:{free_port()}/path-with-a-secret"
    found = findings_at(stack, stack.url, trusted, **given, OTPVOICE_CLIENTS_DEMO_EVENT_URL=nobody)
    assert finding_about(found, "events of demo").level is FAIL
    assert "path-with-a-secret" not in "".join(map(str, found))


def test_the_provider_is_looked_at_in_steps(
    stack: Stack, authority: Authority, trusted: ssl.SSLContext
) -> None:
    """Its certificate before its answer: with an expired one the token never leaves."""
    with running_proxy(port_of(stack), tls=authority.server(days=(-90, -1))) as front:
        found = findings_at(stack, stack.url, trusted, OTPVOICE_PROVIDER_BASE_URL=front.url)
    only = finding_about(found, "provider address")
    assert (only.level, "expired" in only.found) == (FAIL, True), only
    assert front.requests == []
