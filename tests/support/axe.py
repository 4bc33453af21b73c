"""axe-core, which finds what a page lacks for people who use it otherwise than by eye and mouse."""

from typing import Final

from javascript.node import MODULES
from playwright.sync_api import Page

_VIOLATIONS: Final = """
async () => (await axe.run(document)).violations.map(
  ({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => target + failureSummary)}`,
)
"""


def violations(page: Page) -> list[str]:
    """Return what axe-core complains of."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate((MODULES / "axe-core" / "axe.min.js").read_text("utf-8"))
    found: list[str] = page.evaluate(_VIOLATIONS)
    return found
