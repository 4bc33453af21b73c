"""Draw the Mermaid diagrams of the pages: ``docs/pictures/<page>-<number>.svg``.

The repository's host draws a diagram from its source. The site shows the picture instead, because
Mermaid is fifteen times as heavy as a page may be, and would come from another host. Each picture
names the hash of its source, and ``scripts/build_site.py`` refuses one that is out of date.
"""

import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from playwright.sync_api import sync_playwright

ROOT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = ROOT / "docs"
PICTURES: Final = DOCS / "pictures"
MERMAID: Final = ROOT / "scripts/mermaid/node_modules/mermaid/dist/mermaid.min.js"
FENCE: Final = re.compile(r"^```mermaid\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
_CHROMIUM: Final = "/usr/bin/chromium"
_OPTIONS: Final = """{
  startOnLoad: false,
  theme: 'neutral',
  themeVariables: {edgeLabelBackground: '#ffffff', fontSize: '16px'},
  fontFamily: 'system-ui, sans-serif',
  htmlLabels: false,
  flowchart: {htmlLabels: false},
  sequence: {mirrorActors: false, actorMargin: 12, width: 120, wrap: true, messageFontSize: 15},
}"""
_PAPER: Final = """svg => {
  const [x, y, width, height] = svg.getAttribute('viewBox').split(' ').map(Number)
  const paper = document.createElementNS('http://www.w3.org/2000/svg', 'rect')
  for (const [name, value] of Object.entries({x, y, width, height, fill: '#ffffff'}))
    paper.setAttribute(name, value)
  svg.prepend(paper)
  for (const label of svg.querySelectorAll('.edgeLabel .background')) label.style.fill = '#ffffff'
  return svg.outerHTML
}"""
"""Pages may be dark."""


class Diagram(NamedTuple):
    """A diagram in a page."""

    file: Path
    """Its picture."""
    source: str

    @property
    def title(self) -> str:
        """What it shows, for people who do not see it."""
        found = re.search(r"^ *accTitle: (.+)$", self.source, re.MULTILINE)
        if not found:
            sys.exit(f"the diagram of {self.file.name} has no accTitle")
        return found[1]

    @property
    def mark(self) -> str:
        """The comment in a picture that names its source."""
        digest = hashlib.sha256(self.source.encode()).hexdigest()
        return f"<!-- source: {digest[:16]} -->"

    def is_drawn(self) -> bool:
        """Return whether the picture shows this source."""
        return self.file.exists() and self.file.read_text("utf-8").startswith(self.mark)


def diagrams(page: Path) -> Iterator[Diagram]:
    """Yield the diagrams of a page, in its order."""
    name = "-".join(page.relative_to(DOCS).with_suffix("").parts)
    for number, source in enumerate(FENCE.findall(page.read_text("utf-8")), start=1):
        yield Diagram(PICTURES / f"{name}-{number}.svg", source)


def main() -> None:
    """Draw what is out of date, and delete pictures without a diagram."""
    every = [each for page in sorted(DOCS.rglob("*.md")) for each in diagrams(page)]
    for file in {*PICTURES.glob("*.svg")} - {each.file for each in every}:
        file.unlink()
    missing = [each for each in every if not each.is_drawn()]
    if not missing:
        return
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        for number, each in enumerate(missing, start=1):
            tab.set_content("")
            tab.add_script_tag(path=MERMAID)
            tab.evaluate(f"mermaid.initialize({_OPTIONS})")
            draw = "([id, text]) => mermaid.render(id, text).then(({svg}) => svg)"
            tab.set_content(tab.evaluate(draw, [f"picture{number}", each.source]))
            svg: str = tab.locator("svg").first.evaluate(_PAPER)
            each.file.write_text(f"{each.mark}\n{svg}\n", "utf-8")
            sys.stderr.write(f"drew {each.file.relative_to(ROOT)}\n")
        browser.close()


if __name__ == "__main__":
    main()
