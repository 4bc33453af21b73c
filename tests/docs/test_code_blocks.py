"""Code blocks of the documentation are well-formed; the tests of their topic run many of them."""

import ast
import json
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml  # type: ignore[import-untyped] # it ships no types
from support.processes import find_program

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^( *)```([\w-]+)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
SCRIPTS = ("js", "mjs")
NOT_PARSED = {
    *("kotlin", "swift", "dart", "jsx", "go", "java", "php", "jsonnet"),  # no parser on the machine
    *("console", "text", "http", "promql", "mermaid", "html", "properties", "sql", "ts"),
}
"""Sessions, fragments, and languages whose own tests run them."""


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield place and text of each block in this language."""
    for page in PAGES:
        for number, (indent, name, text) in enumerate(_BLOCK.findall(page.read_text("utf-8"))):
            if name == language:
                lines = (line.removeprefix(indent) for line in text.splitlines())
                yield f"{page.relative_to(ROOT)}, block {number + 1}", "\n".join(lines) + "\n"


def languages() -> set[str]:
    """Return all languages of blocks."""
    return {name for page in PAGES for _, name, _ in _BLOCK.findall(page.read_text("utf-8"))}


def parse_json(text: str) -> None:
    """Parse JSON in which ``…`` stands for what is left out, or one object in a line."""
    filled = re.sub(r"\[…\]|\{…\}", "null", text)
    filled = re.sub(r",\s*…(?=\s*[}\]])", "", filled)
    json.loads(filled)


def check_shell(text: str) -> None:
    """Let a shell parse it."""
    program = find_program("sh")
    done = subprocess.run([program, "-n"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


PARSE_MODULES = """
const faults = []
for (const [place, text] of Object.entries(JSON.parse(fs.readFileSync(0)))) {
  try { new vm.SourceTextModule(text) } catch (error) { faults.push(`${place}: ${error}`) }
}
console.log(JSON.stringify(faults))
"""


def faults_of_modules(modules: dict[str, str]) -> list[str]:
    """Let Node parse modules, and return its complaints."""
    command = [find_program("node"), "--no-warnings", "--experimental-vm-modules"]
    done = subprocess.run(
        [*command, "--eval", PARSE_MODULES],
        input=json.dumps(modules),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = json.loads(done.stdout)
    return found


PARSERS: dict[str, Callable[[str], object]] = {
    "python": ast.parse,
    "toml": tomllib.loads,
    "json": parse_json,
    "yaml": yaml.safe_load,
    "sh": check_shell,
    "xml": lambda text: ET.fromstring(f"<root>{text}</root>"),  # noqa: S314 - our own pages
}


def test_every_language_is_known() -> None:
    """A new language gets a parser, or a reason to have none."""
    assert languages() <= {*PARSERS, *SCRIPTS, *NOT_PARSED}


@pytest.mark.parametrize("language", PARSERS)
def test_blocks_are_well_formed(language: str) -> None:
    """Each by its language's own parser."""
    faults = []
    for place, text in blocks(language):
        try:
            PARSERS[language](text)
        except (AssertionError, SyntaxError, ValueError, yaml.YAMLError) as error:
            faults.append(f"{place}: {error}")
    assert faults == []


def test_modules_are_well_formed() -> None:
    """Those of JavaScript, in one run of Node."""
    modules = dict(place for language in SCRIPTS for place in blocks(language))
    assert len(modules) > 10
    (fault,) = faults_of_modules(modules | {"wrong": "const"})
    assert "SyntaxError" in fault
