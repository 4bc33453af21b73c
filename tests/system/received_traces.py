"""The spans that the receiver of traces has written to its file."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.processes import wait_until


@dataclass(frozen=True)
class Span:
    """A span as it was received."""

    name: str
    kind: str
    trace_id: str
    id: str
    parent_id: str
    attributes: dict[str, Any]
    links: list[list[str]]
    events: list[str]
    failed: bool
    service: str


@dataclass(frozen=True)
class Traces:
    """What the receiver has."""

    file: Path

    @property
    def spans(self) -> list[Span]:
        """All spans so far."""
        lines = self.file.read_text("utf-8").splitlines() if self.file.exists() else []
        return [Span(**json.loads(line)) for line in lines]

    def wait_for(self, condition: Callable[[list[Span]], Any], what: str) -> Any:
        """Return what the condition finds in the spans, as soon as it finds something."""
        return wait_until(lambda: condition(self.spans), what)

    def wait_for_one(self, name: str, trace_id: str | None = None) -> Span:
        """Return the only span of this name, in one trace or in any."""
        (found,) = self.wait_for(
            lambda spans: [
                span for span in spans if span.name == name and trace_id in {None, span.trace_id}
            ],
            f"the span {name}",
        )
        assert isinstance(found, Span)
        return found
