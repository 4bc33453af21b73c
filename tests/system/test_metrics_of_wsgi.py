"""Metrics under a WSGI server that otpvoice does not start."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from metrics.scrape import scrape
from redis import Redis
from support.processes import Process, free_port, wait_until
from support.service import WIDE_LIMITS
from system.concurrency import RecordingClient, nth_number

LATER = 100
"""Seconds of ``call_after``, so that no dialer is needed."""


def test_foreign_server_counts_all_workers(
    environ: dict[str, str], redis: Redis, tmp_path: Path
) -> None:
    """``gunicorn otpvoice.wsgi:app`` with a folder in the environment."""
    assert redis.dbsize() == 0
    counts, bind = tmp_path / "counts", f"127.0.0.1:{free_port()}"
    counts.mkdir()
    options = ["--workers", "2", "--threads", "4", "--bind", bind]
    command = [sys.executable, "-m", "gunicorn", *options, "otpvoice.wsgi:app"]
    variables = {**environ, **WIDE_LIMITS, "PROMETHEUS_MULTIPROC_DIR": str(counts)}
    with (
        Process(command, tmp_path / "wsgi.log", variables) as gunicorn,
        ThreadPoolExecutor(8) as pool,
    ):
        line = RecordingClient(f"http://{bind}")
        wait_until(lambda: line.get_verification("vrf_unknown").status == 404, "gunicorn to start")
        wait_until(lambda: len([*counts.glob("counter_*")]) == 2, "both workers")
        asked = [pool.submit(line.create, nth_number(n), call_after=LATER) for n in range(24)]
        assert {each.result().status for each in asked} == {201}
        assert scrape(line.url).totals_by("creates_total", "outcome") == {("created",): 24}
        assert gunicorn.terminate() == 0
