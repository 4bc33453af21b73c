"""Tests the shipped alerts with Prometheus's own tool."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml  # type: ignore[import-untyped] # it ships no types
from support.processes import find_program

ALERTS = Path(__file__).parents[2] / "config" / "alerts.yaml"


def fires(folder: Path, alert: str, series: Mapping[str, str], at: str) -> bool:
    """Report whether an alert fires, if these series were scraped every 15 seconds.

    Args:
        folder: directory for the tool's file.
        alert: its name.
        series: name with labels → values as ``promtool test rules`` writes them.
        at: the time at which it is evaluated, as in ``5m``.
    """
    firing = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) > bool 0'
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": firing, "eval_time": at, "exp_samples": [{"labels": "{}", "value": 1}]}
        ],
    }
    file = folder / "alerts_test.yaml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "15s", "tests": [test]})
    )
    command = [find_program("promtool"), "test", "rules", str(file)]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if judged.returncode:
        assert "got: nil" in judged.stdout + judged.stderr, judged.stdout + judged.stderr
    return judged.returncode == 0
