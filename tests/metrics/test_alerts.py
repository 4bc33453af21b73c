"""The shipped alerts: each fires for its outage only, and in one installation only."""

from pathlib import Path

import pytest
from metrics.promtool import fires

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


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        pytest.param(denials("0x20 0+1x60", "0x20 0+2x60"), True, id="a wave"),
        pytest.param(denials("0x20 2x60", "0x20 0+2x60"), False, id="a few"),
        pytest.param(denials("0x20 0+1x60", "0x20 0+200x60"), False, id="few of very many"),
        pytest.param(denials("0x80", "0+2x80", "0x20 0+1x60"), False, id="none that ended here"),
    ],
)
def test_alert_of_denials_fires_for_a_wave_only(
    tmp_path: Path, series: dict[str, str], expected: bool
) -> None:
    """By client: its logins are attacked."""
    assert fires(tmp_path, "OtpvoiceDenials", series, "15m") is expected


@pytest.mark.parametrize(
    ("values", "at", "expected"),
    [("1x200", "40m", True), ("1x200", "20m", False), ("1x100 0x100", "40m", False)],
    ids=["weak", "just now", "answered again"],
)
def test_alert_of_a_weak_line_fires_after_half_an_hour(
    tmp_path: Path, values: str, at: str, expected: bool
) -> None:
    """For this line, whichever process shows it."""
    series = {
        f'otpvoice_line_weak{{line="918068280000", instance="{instance}"}}': values
        for instance in ("api", "dialer")
    }
    assert fires(tmp_path, "OtpvoiceCallerLineWeak", series, at) is expected


@pytest.mark.parametrize(
    ("alert", "series", "at", "expected"),
    [
        pytest.param(ALL_CLOSED, closed("1x80", "1x80"), "2m", True, id="all closed"),
        pytest.param(ALL_CLOSED, closed("1x80", "1x80"), "30s", False, id="just closed"),
        pytest.param(ALL_CLOSED, closed("1x80", "0x80"), "15m", False, id="one is open"),
        pytest.param(ALL_CLOSED, closed("1x2 0x80", "1x80"), "15m", False, id="one opened again"),
        pytest.param(ONE_CLOSED, closed("1x80", "0x80"), "4m", True, id="one closed"),
        pytest.param(ONE_CLOSED, closed("0x80", "0x80"), "15m", False, id="all open"),
        pytest.param(REFUSED, requests("0+1x240", refused="0+1x240"), "45m", True, id="half"),
        pytest.param(REFUSED, requests("0+9x240", refused="0+1x240"), "45m", False, id="a tenth"),
        pytest.param(REFUSED, requests("0x240", refused="0x20 3x220"), "45m", False, id="few"),
        pytest.param(UNCLEAR, requests("0+1x240", ambiguous="0+1x240"), "30m", True, id="unclear"),
    ],
)
def test_route_alert_fires_for_its_outage_only(
    tmp_path: Path, alert: str, series: dict[str, str], at: str, expected: bool
) -> None:
    """``promtool test rules`` evaluates the alert."""
    assert fires(tmp_path, alert, series, at) is expected


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


@pytest.mark.parametrize(
    ("alert", "series", "at", "expected"),
    [
        pytest.param(NO_API, API_DOWN, "6m", True, id="a dialer hides nothing"),
        pytest.param(NO_API, API_DOWN | STAGING, "6m", True, id="staging hides no API"),
        pytest.param(NO_API, API_DOWN, "3m", False, id="API just down"),
        pytest.param(NO_API, WORKING | STAGING, "15m", False, id="APIs up"),
        pytest.param(PROCESS_DOWN, API_DOWN, "15m", True, id="process down"),
        pytest.param(PROCESS_DOWN, WORKING | {'up{job="other"}': "0x80"}, "15m", False, id="other"),
        pytest.param(NO_DIALER, DIALERS_DOWN | STAGING, "6m", True, id="staging hides no dialer"),
        pytest.param(NO_DIALER, WORKING | STAGING, "15m", False, id="dialers up"),
    ],
)
def test_outage_of_one_installation_fires(
    tmp_path: Path, alert: str, series: dict[str, str], at: str, expected: bool
) -> None:
    """Neither the other processes nor another installation keep an outage silent."""
    assert fires(tmp_path, alert, series, at) is expected
