"""Tests the shipped alerts with Prometheus's own tool."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml  # type: ignore[import-untyped] # it ships no types
from support.processes import find_program

ALERTS = Path(__file__).parents[2] / "config" / "alerts.yaml"
_FIRES = (
    'label_replace(count(ALERTS{{alertname="{alert}", alertstate="firing"}}) > bool 0, '
    '"observation", "{name}", "", "")'
)
_FAILED = re.compile(r'exp: \{observation="(.*)"\} ')


class Observation(NamedTuple):
    """What Prometheus scraped every 15 seconds, and an alert that is evaluated over it."""

    alert: str
    series: Mapping[str, str]
    """Name with labels → values as ``promtool test rules`` writes them."""
    at: str
    """The time at which it is evaluated, as in ``5m``."""


def firing(folder: Path, observations: Mapping[str, Observation]) -> set[str]:
    """Return the names of the observations whose alert fires.

    Args:
        folder: directory for the tool's file.
        observations: by name, for one run of the tool.
    """
    tests = [
        {
            "interval": "15s",
            "input_series": [
                {"series": labelled, "values": values} for labelled, values in seen.series.items()
            ],
            "promql_expr_test": [
                {
                    "expr": _FIRES.format(alert=seen.alert, name=name),
                    "eval_time": seen.at,
                    "exp_samples": [{"labels": f'{{observation="{name}"}}', "value": 1}],
                }
            ],
        }
        for name, seen in observations.items()
    ]
    file = folder / "alerts_test.yaml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "30s", "tests": tests})
    )
    command = [find_program("promtool"), "test", "rules", str(file)]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    printed = judged.stdout + judged.stderr
    silent = _FAILED.findall(printed)
    assert len(silent) == printed.count("got: nil"), printed
    assert bool(judged.returncode) == bool(silent), printed
    return observations.keys() - silent
