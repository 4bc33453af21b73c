"""Check that no word to avoid is used: the table "Words to avoid" of docs/glossary.md.

Every tracked text file is searched, names in code included. Exit status 1 if a word was found.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
_GLOSSARY: Final = ROOT / "docs" / "glossary.md"
_TEXTS: Final = {".css", ".html", ".js", ".lua", ".md", ".py", ".sh", ".toml", ".yaml", ".yml"}
_ROW: Final = re.compile(r"^\| `([^`]+)` \| (.+) \|$", re.MULTILINE)


def words_to_avoid() -> dict[str, str]:
    """Return each word or phrase of the glossary's table with the terms to use in its place."""
    _, _, table = _GLOSSARY.read_text(encoding="utf-8").partition("## Words to avoid\n")
    return dict(_ROW.findall(table))


def matcher(words: list[str]) -> re.Pattern[str]:
    """Match any of the words as a whole word, also as a part of a name with underscores."""
    phrases = [re.escape(word).replace(r"\ ", r"\s+") for word in words]
    return re.compile(rf"(?<![a-z])(?:{'|'.join(phrases)})(?![a-z])", re.IGNORECASE)


def tracked_texts() -> list[Path]:
    """Return the text files under version control, and new ones that are not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [ROOT / line for line in listed.splitlines()]
    return [path for path in paths if path.suffix in _TEXTS and path.is_file()]


def main() -> int:
    """Print each use of a word to avoid, with its place and the terms to use."""
    replacements = words_to_avoid()
    if not replacements:
        sys.exit(f"{_GLOSSARY}: the table under 'Words to avoid' is empty or missing")
    pattern = matcher(list(replacements))
    found = 0
    for path in tracked_texts():
        if path in {_GLOSSARY, Path(__file__).resolve()}:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for match in pattern.finditer(line):
                word = re.sub(r"\s+", " ", match[0].lower())
                place = f"{path.relative_to(ROOT)}:{number}"
                print(f"{place}: avoid {word!r}, use {replacements[word]}")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
