"""Stills of pages for the documentation, which the browser tests take: ``make stills``.

``docs/pictures/stills.json`` has a hash of the files that each page is made of, so that a still of
a page that has changed since is out of date.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Final

from playwright.sync_api import Page

ROOT: Final = Path(__file__).parents[2]
PICTURES: Final = ROOT / "docs" / "pictures"
SOURCES: Final = {
    "demo": (
        "examples/demo_page",
        "examples/login_backend",
        "clients/javascript/src",
        "sandbox/otpvoice_sandbox",
    ),
    "phone": ("sandbox/otpvoice_sandbox",),
    "console": ("otpvoice/api/console/templates", "otpvoice/api/console/static"),
}
"""Still → folders of its page."""
_MARKS: Final = PICTURES / "stills.json"


def take_still(page: Page, name: str) -> None:
    """Take a still if the stills are to be renewed; otherwise do nothing."""
    if "OTPVOICE_STILLS" not in os.environ:
        return
    PICTURES.mkdir(exist_ok=True)
    page.set_viewport_size({"width": 1200, "height": 760})
    page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")
    _MARKS.write_text(json.dumps(marks_on_file() | {name: mark(name)}, indent=1) + "\n", "utf-8")


def marks_on_file() -> dict[str, str]:
    """Return the hashes of the pages at the time of their stills."""
    found: dict[str, str] = json.loads(_MARKS.read_text("utf-8")) if _MARKS.exists() else {}
    return found


def mark(name: str) -> str:
    """Return the hash of the files that a page is made of today."""
    digest = hashlib.sha256()
    for folder in SOURCES[name]:
        for file in sorted((ROOT / folder).rglob("*.*")):
            if file.suffix in {".html", ".css", ".js", ".svg"}:
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
