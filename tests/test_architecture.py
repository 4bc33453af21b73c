"""The picture in docs/architecture.md shows the import contracts and the imports in the code."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_module_map_matches_contracts_and_code() -> None:
    """The map is redrawn and compared with the page."""
    command = [sys.executable, str(ROOT / "scripts" / "module_map.py"), "--check"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
