"""The shipped alerts: each fires for its outage only, and in one installation only."""

from typing import NamedTuple

import pytest
from metrics.promtool import Observation, firing

ALL_CLOSED, ONE_CLOSED, REFUSED, UNCLEAR = (
    "OtpvoiceAllRoutesClosed",
    "OtpvoiceRouteClosed",
    "OtpvoiceCallsRefused",
    "OtpvoiceProviderUnclear",
)
CLOSED = "otpvoice_route_closed"
REQUESTS = "otpvoice_provider_requests_total"


def closed(obd: str, c2c: str) -> dict[str, str]:
    """Return the series of both routes as the API and a dialer expose them."""
    return {
        f'{CLOSED}{{route="{route}", instance="{instance}"}}': values
        for route, values in (("obd", obd), ("c2c", c2c))
        for instance in ("api", "dialer")
    }


def requests(accepted: str, **others: str) -> dict[str, str]:
    """Return the series of one dialer's requests by ``obd``, by outcome."""
    return {
        f'{REQUESTS}{{route="obd", outcome="{outcome}"}}': values
        for outcome, values in {"accepted": accepted, **others}.items()
    }


def denials(each: str, ended: str, other: str = "0x80") -> dict[str, str]:
    """Return the series of two processes' denials, and of the verifications that ended."""
    counted = {
        f'otpvoice_denials_total{{client="{client}", instance="{instance}"}}': values
        for client, values in (("login", each), ("bank", other))
        for instance in ("api", "dialer")
    }
    return counted | {
        'otpvoice_verifications_ended_total{client="login", status="canceled"}': ended
    }


def weak_line(values: str) -> dict[str, str]:
    """Return the series of a line as two processes show it."""
    return {
        f'otpvoice_line_weak{{line="918068280000", instance="{instance}"}}': values
        for instance in ("api", "dialer")
    }


NO_API, PROCESS_DOWN, NO_DIALER = "OtpvoiceNoApi", "OtpvoiceProcessDown", "OtpvoiceNoDialer"


def installation(job: str, api: str, dialers: str) -> dict[str, str]:
    """Return the series of an API and a dialer under one job, and the dialers that both see.

    Args:
        job: of all its processes.
        api: ``up`` of the API; what it exposes is missing while it is down.
        dialers: those with a heartbeat.
    """
    exposed = api.replace("0x", "stale _x")  # as Prometheus marks what a failed scrape lacks
    of_api, of_dialer = (f'job="{job}", instance="{name}"' for name in ("api", "dialer"))
    return {
        f"up{{{of_api}}}": api,
        f"up{{{of_dialer}}}": "1x80",
        f"otpvoice_build_info{{{of_api}}}": exposed,
        f"otpvoice_build_info{{{of_dialer}}}": "1x80",
        f'otpvoice_http_requests_total{{{of_api}, route="/healthz", status="200"}}': exposed,
        f"otpvoice_dialers{{{of_dialer}}}": dialers,
    }


WORKING = installation("production", "1x80", "2x80")
STAGING = installation("staging", "1x80", "1x80")
API_DOWN = installation("production", "1x8 0x72", "2x80")
DIALERS_DOWN = installation("production", "1x80", "2x8 0x72")


class Case(NamedTuple):
    """An observation, and whether its alert fires."""

    observation: Observation
    fires: bool


def case(alert: str, series: dict[str, str], at: str, fires: bool) -> Case:
    """Return a case."""
    return Case(Observation(alert, series, at), fires)


DENIALS, WEAK = "OtpvoiceDenials", "OtpvoiceCallerLineWeak"
CASES = {
    # By client: its logins are attacked.
    "a wave of denials": case(DENIALS, denials("0x20 0+1x60", "0x20 0+2x60"), "15m", True),
    "a few denials": case(DENIALS, denials("0x20 2x60", "0x20 0+2x60"), "15m", False),
    "few of very many": case(DENIALS, denials("0x20 0+1x60", "0x20 0+200x60"), "15m", False),
    "none that ended here": case(DENIALS, denials("0x80", "0+2x80", "0x20 0+1x60"), "15m", False),
    # Of a line, whichever process shows it: after half an hour.
    "weak line": case(WEAK, weak_line("1x200"), "40m", True),
    "line just weak": case(WEAK, weak_line("1x200"), "20m", False),
    "line answered again": case(WEAK, weak_line("1x100 0x100"), "40m", False),
    # Of routes.
    "all closed": case(ALL_CLOSED, closed("1x80", "1x80"), "2m", True),
    "all just closed": case(ALL_CLOSED, closed("1x80", "1x80"), "30s", False),
    "one is open": case(ALL_CLOSED, closed("1x80", "0x80"), "15m", False),
    "one opened again": case(ALL_CLOSED, closed("1x2 0x80", "1x80"), "15m", False),
    "one closed": case(ONE_CLOSED, closed("1x80", "0x80"), "4m", True),
    "all open": case(ONE_CLOSED, closed("0x80", "0x80"), "15m", False),
    "half refused": case(REFUSED, requests("0+1x240", refused="0+1x240"), "45m", True),
    "a tenth refused": case(REFUSED, requests("0+9x240", refused="0+1x240"), "45m", False),
    "few refused": case(REFUSED, requests("0x240", refused="0x20 3x220"), "45m", False),
    "unclear": case(UNCLEAR, requests("0+1x240", ambiguous="0+1x240"), "30m", True),
    # Of one installation: neither its other processes nor another one keep it silent.
    "a dialer hides no API": case(NO_API, API_DOWN, "6m", True),
    "staging hides no API": case(NO_API, API_DOWN | STAGING, "6m", True),
    "API just down": case(NO_API, API_DOWN, "3m", False),
    "APIs up": case(NO_API, WORKING | STAGING, "15m", False),
    "process down": case(PROCESS_DOWN, API_DOWN, "15m", True),
    "another job's process down": case(
        PROCESS_DOWN, WORKING | {'up{job="other"}': "0x80"}, "15m", False
    ),
    "staging hides no dialer": case(NO_DIALER, DIALERS_DOWN | STAGING, "6m", True),
    "dialers up": case(NO_DIALER, WORKING | STAGING, "15m", False),
}


@pytest.fixture(scope="module")
def fired(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """``promtool test rules`` evaluates the alerts of all cases."""
    observations = {name: each.observation for name, each in CASES.items()}
    return firing(tmp_path_factory.mktemp("alerts"), observations)


@pytest.mark.parametrize("name", CASES)
def test_alert_fires_for_its_outage_only(name: str, fired: set[str]) -> None:
    """And in one installation only."""
    assert (name in fired) is CASES[name].fires
