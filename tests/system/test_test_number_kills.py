"""Dialers that die with a call to a test number."""

import signal
from pathlib import Path

import pytest
from redis import Redis
from system.dialer_faults import dialer_fault_bench

TESTER = "+919999900001"


@pytest.mark.parametrize(
    ("moment", "left"),
    [("before:complete_test_call", "dialing"), ("after:complete_test_call", "answered")],
)
def test_simulated_call_of_a_killed_dialer_is_completed_by_another(
    environ: dict[str, str], redis: Redis, tmp_path: Path, moment: str, left: str
) -> None:
    """Once, and no phone rings."""
    with dialer_fault_bench(
        environ | {"OTPVOICE_TEST_NUMBERS": f"{TESTER}=123456"}, redis, tmp_path
    ) as site:
        dialer = site.faulty_dialer(moment, 1, "SIGKILL")
        site.create(TESTER)
        assert dialer.wait() == -signal.SIGKILL
        assert [call["status"] for call in site.calls()[TESTER]] == [left]
        site.recover()
        assert [call["status"] for call in site.calls()[TESTER]] == ["answered"]
        assert site.phones.ledger() == []
