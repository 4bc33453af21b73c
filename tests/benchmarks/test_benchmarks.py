"""Runs each benchmark at its smallest size and expects finite numbers."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

RUN = Path(__file__).parents[2] / "benchmarks" / "run.py"
QUICK = ["memory_growth", "round_trips", "reading_distance", "api_throughput"]
LONG = ["aof", "dialing", "provider_latency"]
"""They start so many processes that they take half a minute together."""
CHOSEN = [*QUICK, *(LONG if "OTPVOICE_TEST_BENCHMARKS" in os.environ else [])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the benchmarks; return the folder with their reports."""
    folder = tmp_path_factory.mktemp("benchmarks")
    command: list[str | Path] = [sys.executable, RUN, *CHOSEN, "--size", "smallest"]
    command += ["--json", folder / "found.json", "--svg", folder / "found.svg"]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def sections(folder: Path) -> list[dict[str, Any]]:
    """Return the report as JSON."""
    found: list[dict[str, Any]] = json.loads((folder / "found.json").read_text())
    return found


def test_benchmarks_report_finite_numbers(sections: list[dict[str, Any]]) -> None:
    """In sections with measurements."""
    assert len(sections) >= len(CHOSEN)
    for section in sections:
        assert section["measurements"], section["title"]
        assert all(math.isfinite(each["value"]) for each in section["measurements"]), section


def test_request_makes_one_round_trip(sections: list[dict[str, Any]]) -> None:
    """As the store counts them. A callback may need two."""
    (trips,) = [each for each in sections if each["title"] == "Round trips to the store"]
    found = {each["what"]: each["value"] for each in trips["measurements"]}
    callback = found.pop("callback")
    assert found == {"create": 1, "get": 1, "check": 1}
    assert 1 <= callback <= 2


def test_svg_has_one_bar_for_each_measurement(folder: Path, sections: list[dict[str, Any]]) -> None:
    """Well-formed, and nothing is fetched."""
    drawn = (folder / "found.svg").read_text()
    image = ET.fromstring(drawn)  # noqa: S314 - our own
    bars = [each for each in image.iter() if each.tag.endswith("rect")]
    assert len(bars) == 1 + sum(len(section["measurements"]) for section in sections)
    assert "href" not in drawn
