"""Links and file names in README and docs lead somewhere."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
SOURCE = re.compile(r"`([\w/]+\.(?:py|lua))`")


def prose(page: Path) -> str:
    """Return the text of a page without its code blocks."""
    return FENCED.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> Iterator[str]:
    """Yield the anchor of each heading, as GitHub makes it."""
    seen: Counter[str] = Counter()
    for heading in HEADING.findall(prose(page)):
        text = LINK.sub(lambda link: link[0].partition("](")[0], heading)
        anchor = re.sub(r"[^\w\s-]", "", text.strip().lower()).replace(" ", "-")
        yield f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor
        seen[anchor] += 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_of_a_page_lead_to_files_and_headings(page: Path) -> None:
    """An address with a scheme is not looked at."""
    for link in LINK.findall(prose(page)):
        if re.match(r"\w+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in {*anchors(target)}, link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_source_files_named_by_a_page_exist(page: Path) -> None:
    """A path may leave out the folders in front."""
    files = [
        f"/{path.relative_to(ROOT)}"
        for folder in ("otpvoice", "sandbox", "tests", "examples", "benchmarks")
        for path in (ROOT / folder).rglob("*.*")
    ]
    for name in SOURCE.findall(prose(page)):
        assert any(file.endswith(f"/{name}") for file in files), name
