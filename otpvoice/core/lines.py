"""Caller lines: the numbers from which a client, or a route of another provider, calls."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from otpvoice.core.phone import region_of


@dataclass(frozen=True, slots=True)
class CallerLines:
    """One line, or several that take turns. The store chooses (``_lines.lua``)."""

    bridges: tuple[str, ...]
    """Digits with the calling code, in the order of the settings; at least one."""
    caller_id: str = ""
    """The number that people see, E.164. Empty: that of the line, as always with several lines."""

    def by_region(self) -> Mapping[str, tuple[str, ...]]:
        """Return the lines of each region that has one (ISO 3166)."""
        regions = {each: region_of(f"+{each}") for each in self.bridges}
        return {
            region: tuple(each for each in self.bridges if regions[each] == region)
            for region in dict.fromkeys(regions.values())
        }

    def serving(self, region: str) -> tuple[str, ...]:
        """Return the lines that call a region: its own, because people answer them more often.

        If it has none, all lines call it.
        """
        return self.by_region().get(region, self.bridges)


def all_bridges(lines: Iterable[CallerLines]) -> list[str]:
    """Return every line once, in order."""
    return sorted({bridge for each in lines for bridge in each.bridges})
