"""Build the documentation as a site: ``.site/html``, without a request to another host.

The pages in ``docs/`` are written for the repository, where a link may lead to any file. In the
site such a link leads to the file's page at the repository's host. A broken link fails the build.
"""

import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pictures import FENCE, diagrams


def _project_table(name: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / name).read_text("utf-8"))["project"]
    return table


ROOT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = ROOT / "docs"
SITE: Final = ROOT / ".site"
PAGES: Final = SITE / "pages"
CONFIG: Final = _project_table("zensical.toml")
_PROJECT: Final = _project_table("pyproject.toml")
_REPOSITORY: Final = f"{_PROJECT['urls']['Repository']}/blob/main"
_ROOT_PAGES: Final = {
    f"{name}.md": f"project/{name.lower()}.md" for name in ("CHANGELOG", "CONTRIBUTING", "SECURITY")
}
"""Files next to ``docs/`` that are pages of the site as well."""
_BLOCK: Final = r"^\*\*([^*\n]+)\*\*\n\n(^```.*?^```\n)\n?"
_LABELED: Final = re.compile(_BLOCK, re.DOTALL | re.MULTILINE)
_SEVERAL_LABELED: Final = re.compile(rf"(?:{_BLOCK}){{2,}}", re.DOTALL | re.MULTILINE)
_CODE_OR_LINK: Final = re.compile(r"(?ms)(^```.*?^```|`[^`\n]+`)|(\]\()([^)\s]+)(\))")


def main() -> None:
    """Copy the pages, and build the site."""
    shutil.rmtree(SITE, ignore_errors=True)
    for source in (path for path in DOCS.rglob("*") if path.is_file()):
        copy_page(source, PAGES / source.relative_to(DOCS))
    for name, page in _ROOT_PAGES.items():
        copy_page(ROOT / name, PAGES / page)
    (PAGES / "llms.txt").write_text("".join(f"{line}\n" for line in llms_lines()), "utf-8")
    check_navigation()
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean"]
    sys.exit(subprocess.run(command, cwd=ROOT, check=False).returncode)


def copy_page(source: Path, target: Path) -> None:
    """Copy a file; of a page, adapt the links that leave ``docs/``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix != ".md":
        shutil.copyfile(source, target)
        return
    depth = "../" * len(target.parent.relative_to(PAGES).parts)

    def adapt(found: re.Match[str]) -> str:
        code, opening, link, closing = found.groups()
        return code or f"{opening}{_adapt_link(link, source, depth)}{closing}"

    is_page = source.is_relative_to(DOCS)
    text = _with_pictures(source, depth) if is_page else source.read_text("utf-8")
    target.write_text(_with_tabs(_CODE_OR_LINK.sub(adapt, text)), "utf-8")


def _with_tabs(text: str) -> str:
    """Return a page with tabs in place of blocks in a row that each have a label."""

    def tabs(found: re.Match[str]) -> str:
        return "".join(
            f'=== "{label}"\n\n{textwrap.indent(block, "    ")}\n'
            for label, block in _LABELED.findall(found[0])
        )

    return _SEVERAL_LABELED.sub(tabs, text)


def _with_pictures(source: Path, depth: str) -> str:
    """Return the text of a page with pictures in place of its diagrams."""
    drawn = diagrams(source)

    def picture(_: re.Match[str]) -> str:
        diagram = next(drawn)
        if not diagram.is_drawn():
            sys.exit(f"{diagram.file.relative_to(ROOT)} is out of date: make pictures")
        return f"![{diagram.title}]({depth}pictures/{diagram.file.name})\n"

    return FENCE.sub(picture, source.read_text("utf-8"))


def _adapt_link(link: str, source: Path, depth: str) -> str:
    name, mark, anchor = link.partition("#")
    if not name or re.match(r"\w+:", link):
        return link
    path = (source.parent / name).resolve()
    if not path.exists():
        sys.exit(f"{source.relative_to(ROOT)}: {link} leads nowhere")
    if path.is_relative_to(DOCS) and path.is_file():
        return f"{depth}{path.relative_to(DOCS)}{mark}{anchor}"
    place = str(path.relative_to(ROOT))
    if place in _ROOT_PAGES:
        return f"{depth}{_ROOT_PAGES[place]}{mark}{anchor}"
    return f"{_REPOSITORY}/{place}{mark}{anchor}"


def navigation(entries: list[Any] | None = None, section: str = "") -> Iterator[tuple[str, str]]:
    """Yield the sections of the navigation with their pages, in its order."""
    for entry in CONFIG["nav"] if entries is None else entries:
        if isinstance(entry, str):
            yield section, entry
        else:
            ((name, inside),) = entry.items()
            if isinstance(inside, str):
                yield name, inside
            else:
                yield from navigation(inside, f"{section} · {name}" if section else name)


def check_navigation() -> None:
    """Exit if a page is not in the navigation. Decision records are found from their index."""
    pages = {str(path.relative_to(PAGES)) for path in PAGES.rglob("*.md")}
    reached = {page for _, page in navigation()}
    lost = {page for page in pages - reached if not page.startswith("adr/")} | (reached - pages)
    if lost:
        sys.exit(f"zensical.toml: nav and pages differ in {', '.join(sorted(lost))}")


def llms_lines() -> Iterator[str]:
    """Yield ``llms.txt`` (llmstxt.org): each page with its first sentence, for language models."""
    yield from (f"# {CONFIG['site_name']}", "", f"> {CONFIG['site_description']}")
    last = ""
    for section, page in navigation():
        if section != last:
            yield from ("", f"## {section}", "")
            last = section
        text = (PAGES / page).read_text("utf-8")
        title = re.search(r"^# (.+)$", text, re.MULTILINE)
        if not title:
            sys.exit(f"{page} has no title")
        yield f"- [{title[1]}]({page}): {_first_sentence(text[title.end() :])}"


def _first_sentence(text: str) -> str:
    paragraphs = (each.strip() for each in text.split("\n\n"))
    first = next(each for each in paragraphs if each and each[0] not in "#<|`!-")
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(first.split()))
    return re.split(r"(?<=[.:])\s", plain, maxsplit=1)[0]


if __name__ == "__main__":
    main()
