"""Generate the types of the JavaScript client from the service's OpenAPI document.

They are the schemas that the operations under ``/v1/`` and events use. ``--check`` changes nothing
and fails if the file is out of date. It needs Node and the packages of ``clients/javascript``.
"""

import argparse
import base64
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from otpvoice.app import create_app
from otpvoice.settings import load

ROOT: Final = Path(__file__).resolve().parent.parent
CLIENT: Final = ROOT / "clients" / "javascript"
FILE: Final = CLIENT / "src" / "openapi.ts"
_GENERATOR: Final = CLIENT / "node_modules" / ".bin" / "openapi-typescript"
_KEY: Final = base64.b64encode(bytes(32)).decode()
_SETTINGS: Final = {
    "OTPVOICE_SERVER_PUBLIC_URL": "https://otp.example.com",
    "OTPVOICE_SECRETS_KEYS": f"k1:{_KEY}",
    "OTPVOICE_SECRETS_NUMBER_KEY": _KEY,
    "OTPVOICE_CLIENTS_LOGIN_KEY_SHA256": "0" * 64,
    "OTPVOICE_PROVIDER_TOKEN": "unused",
    "OTPVOICE_PROVIDER_BRIDGE": "918068280000",
    "OTPVOICE_PROVIDER_FLOWS": "default=24",
}
"""The least that an API starts with. It connects to its store only when it needs it."""


def schemas() -> dict[str, Any]:
    """Return the document with the schemas of the operations under ``/v1/`` only."""
    app = create_app(load(_SETTINGS).settings)
    document: dict[str, Any] = app.test_client().get("/openapi.json").get_json()
    operations = {path: each for path, each in document["paths"].items() if "/v1/" in path}
    used: dict[tuple[str, str], Any] = {}
    waiting = list(_references([operations, document["webhooks"]]))
    while waiting:
        section, name = waiting.pop()
        if (section, name) not in used:
            used[section, name] = document["components"][section][name]
            waiting += _references(used[section, name])
    found = {name: each for (section, name), each in sorted(used.items()) if section == "schemas"}
    return document | {"paths": {}, "webhooks": {}, "components": {"schemas": found}}


def _references(part: Any) -> Iterator[tuple[str, str]]:
    """Yield the section and name of each component that a part of the document refers to."""
    if isinstance(part, list):
        for each in part:
            yield from _references(each)
    elif isinstance(part, dict):
        if isinstance(reference := part.get("$ref"), str):
            _, _, section, name = reference.split("/")
            yield section, name
        for each in part.values():
            yield from _references(each)


def generate() -> str:
    """Return the text of the file."""
    with tempfile.TemporaryDirectory() as folder:
        document, output = Path(folder) / "openapi.json", Path(folder) / "openapi.ts"
        document.write_text(json.dumps(schemas()), encoding="utf-8")
        command = [str(_GENERATOR), str(document), "--output", str(output)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return output.read_text(encoding="utf-8")


def main() -> int:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="fail if the file is out of date")
    check = parser.parse_args().check
    if not _GENERATOR.exists():
        sys.exit(f"{_GENERATOR.relative_to(ROOT)} is missing; run `make javascript`")
    text = generate()
    if check and FILE.read_text(encoding="utf-8") != text:
        print(f"{FILE.relative_to(ROOT)} is out of date; run `make types`")
        return 1
    if not check:
        FILE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
