"""Run the benchmarks and print their reports: ``make bench``."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import api_throughput
import click
import dialing
import memory_growth
import provider_latency
import reading_distance
import round_trips
import structlog
from report import Section, as_json, as_svg, table
from sizes import FULL, SHORT, SMALLEST, Sizes

BENCHMARKS: Final[Mapping[str, Callable[[Sizes], list[Section]]]] = MappingProxyType(
    {
        "api_throughput": api_throughput.measure,
        "round_trips": round_trips.measure,
        "reading_distance": reading_distance.measure,
        "provider_latency": provider_latency.measure,
        "dialing": dialing.measure,
        "aof": api_throughput.append_only,
        "memory_growth": memory_growth.measure,
    }
)
_SIZES: Final = {"smallest": SMALLEST, "short": SHORT, "full": FULL}


def _numbers(_context: click.Context, _option: click.Parameter, text: str) -> tuple[int, ...]:
    return tuple(int(word.replace("_", "")) for word in text.split(",") if word)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*BENCHMARKS]))
@click.option("--size", type=click.Choice([*_SIZES]), default="short", show_default=True)
@click.option("--rounds", type=int, help="Number of rounds; the report has their medians.")
@click.option("--requests", type=int, help="Requests of each kind per round.")
@click.option("--connections", type=int, help="Requests at a time.")
@click.option(
    "--compare",
    type=click.Path(path_type=Path, exists=True, resolve_path=True),
    help="Another checkout of otpvoice, whose API is measured in turns with this one.",
)
@click.option("--seconds", type=int, help="Duration of each steady rate.")
@click.option("--rate", type=int, help="Creates per second of the steady rate.")
@click.option("--calls", type=int, help="Calls in the queue of the dialer.")
@click.option("--creates", type=int, help="Creates whose delay to the provider is measured.")
@click.option(
    "--pending",
    callback=_numbers,
    default="",
    help="Numbers of pending verifications, as in 1000,10000.",
)
@click.option(
    "--svg", type=click.Path(path_type=Path), help="Write the report to this file as SVG."
)
@click.option(
    "--json",
    "as_json_to",
    type=click.Path(path_type=Path),
    help="Write the report to this file as JSON.",
)
def main(
    names: tuple[str, ...], size: str, svg: Path | None, as_json_to: Path | None, **options: Any
) -> None:
    """Run the benchmarks NAMES, or all, and print tables with bars."""
    sizes = replace(_SIZES[size], **{name: each for name, each in options.items() if each})
    # This process logs errors only. The servers log everything.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    sections: list[Section] = []
    for name in names or BENCHMARKS:
        started_at = time.monotonic()
        measured = BENCHMARKS[name](sizes)
        sections += measured
        for section in measured:
            click.echo(table(section))
        click.echo(f"  ({name} took {time.monotonic() - started_at:.0f} s)")
    if svg:
        svg.write_text(as_svg(sections), "utf-8")
    if as_json_to:
        as_json_to.write_text(as_json(sections), "utf-8")


if __name__ == "__main__":
    main()
