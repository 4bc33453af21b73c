"""axe-core, which finds what a page lacks for people who use it otherwise than by eye and mouse."""

from typing import Final

from javascript.node import MODULES
from playwright.sync_api import Page

COLOR_RULES: Final = ("color-contrast", "link-in-text-block")
"""What a color scheme alone can break."""
_VIOLATIONS: Final = """
async (rules) => (await axe.run(document, rules.length ? { runOnly: rules } : {})).violations.map(
  ({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => target + failureSummary)}`,
)
"""


def violations(page: Page, *rules: str) -> list[str]:
    """Return what axe-core complains of, by all of its default rules or by these."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate((MODULES / "axe-core" / "axe.min.js").read_text("utf-8"))
    found: list[str] = page.evaluate(_VIOLATIONS, rules)
    return found
