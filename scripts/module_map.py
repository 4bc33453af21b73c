"""Draw the packages and the direction of their imports into docs/architecture.md.

The rows are the layers of the import contract "Imports run one way" in pyproject.toml. The arrows
are the imports in the code; an import that follows from others is left out, so that the picture
stays readable. ``--check`` changes nothing and fails if the picture is out of date.
"""

import argparse
import sys
import tomllib
from pathlib import Path
from typing import Final

import grimp

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "architecture.md"
_BEGIN: Final = "<!-- module map: make map -->\n"
_END: Final = "<!-- end of module map -->\n"
_CONTRACT: Final = "Imports run one way"
_PACKAGE: Final = "otpvoice"


def layers() -> list[list[str]]:
    """Return the contract's layers from the top, each with its modules."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    rows = next(each["layers"] for each in contracts if each["name"] == _CONTRACT)
    return [[name.strip() for name in row.replace(":", "|").split("|")] for row in rows]


def imports_between(modules: list[str]) -> set[tuple[str, str]]:
    """Return the pairs of modules of which the first imports the second, itself or inside it."""
    graph = grimp.build_graph(_PACKAGE, cache_dir=None)
    return {
        (importer, imported)
        for importer in modules
        for imported in modules
        if importer != imported
        and graph.direct_import_exists(importer=importer, imported=imported, as_packages=True)
    }


def without_implied(arrows: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Leave out each arrow for which a longer way exists (the graph has no cycles)."""
    below: dict[str, set[str]] = {}
    for importer, imported in arrows:
        below.setdefault(importer, set()).add(imported)

    def reaches(start: str, goal: str) -> bool:
        return any(each == goal or reaches(each, goal) for each in below.get(start, ()))

    return {
        (importer, imported)
        for importer, imported in arrows
        if not any(reaches(each, imported) for each in below[importer] if each != imported)
    }


def draw() -> str:
    """Return the picture as a Mermaid diagram between its two markers."""
    rows = layers()
    modules = [module for row in rows for module in row]
    lines = ["```mermaid", "flowchart TB", "  accTitle: Modules and their imports"]
    for number, row in enumerate(rows, 1):
        lines.append(f'  subgraph layer{number}[" "]')
        lines.append("    direction LR")
        lines += [f'    {_short(module)}["{_label(module)}"]' for module in row]
        lines.append("  end")
    arrows = sorted(without_implied(imports_between(modules)))
    lines += [f"  {_short(importer)} --> {_short(imported)}" for importer, imported in arrows]
    return _BEGIN + "\n".join([*lines, "```"]) + "\n" + _END


def _label(module: str) -> str:
    return module.removeprefix(f"{_PACKAGE}.")


def _short(name: str) -> str:
    return name.replace(f"{_PACKAGE}.", "").replace(".", "_")


def main() -> int:
    """Write the picture, or compare it with the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="fail if the picture is out of date")
    check = parser.parse_args().check
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    current = before + draw() + after
    if check and current != page:
        print(f"{PAGE.relative_to(ROOT)}: the module map is out of date; run `make map`")
        return 1
    if not check:
        PAGE.write_text(current, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
