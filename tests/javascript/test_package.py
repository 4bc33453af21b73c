"""The package: its types, its lock, and the tarball as npm would publish it."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from javascript.node import CLIENT, MODULES, Node
from support.processes import find_program

ROOT = CLIENT.parents[1]
CONSUMER = Path(__file__).with_name("consumer")
OPTIONS = {
    "strict": True,
    "noEmit": True,
    "target": "ES2022",
    "lib": ["ES2022", "DOM", "DOM.AsyncIterable"],
    "types": [],
    "skipDefaultLibCheck": True,
}
"""The types of the package are checked, those that TypeScript comes with are not."""
RESOLUTIONS = {
    "node16": {"module": "Node16", "moduleResolution": "Node16"},
    "bundler": {"module": "ESNext", "moduleResolution": "Bundler"},
}
IMPORTS = """
const names = process.argv.slice(2)
const modules = await Promise.all(names.map((name) => import(name)))
console.log(JSON.stringify(modules.map((each) => Object.keys(each).sort())))
"""


def test_types_are_those_of_the_openapi_document(node: Node) -> None:
    """``make types`` writes them."""
    del node
    command = [sys.executable, str(ROOT / "scripts" / "javascript_types.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_lock_has_hashes_and_names_no_registry() -> None:
    """So ``npm ci`` installs the same files everywhere, from the registry that is configured."""
    lock = json.loads((CLIENT / "package-lock.json").read_text("utf-8"))
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert all(each["integrity"].startswith("sha512-") for each in packages.values())
    assert not [name for name, each in packages.items() if "resolved" in each]


def test_package_needs_no_other_package() -> None:
    """Its version is that of the service."""
    package = json.loads((CLIENT / "package.json").read_text("utf-8"))
    service = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert package["version"] == service["project"]["version"]
    assert not {"dependencies", "peerDependencies", "optionalDependencies"} & package.keys()


@pytest.fixture(scope="module")
def installed(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the packed tarball is installed, and nothing else.

    Before it packs, npm checks the types of the sources, strictly and without the types of Node:
    pages and React Native run them, too.
    """
    del node
    npm = find_program("npm")
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    shutil.copytree(CLIENT, source, ignore=shutil.ignore_patterns("node_modules", "types"))
    (source / "node_modules").symlink_to(MODULES)
    packed = _run(npm, "pack", "--json", "--pack-destination", folder, folder=source)
    (report,) = json.loads(packed[packed.index("[") :])
    names = {file["path"] for file in report["files"]}
    assert json.loads((source / "package.json").read_text("utf-8"))["scripts"]["prepack"] == "tsc"
    assert {"package.json", "README.md", "LICENSE", "src/index.js", "types/openapi.d.ts"} <= names
    assert all(re.match(r"(src/[\w-]+\.js|types/[\w-]+\.d\.ts|[\w.]+)$", name) for name in names)
    project = folder / "project"
    project.mkdir()
    (project / "package.json").write_text('{"type": "module", "private": true}')
    options = ("--offline", "--no-audit", "--no-fund", "--ignore-scripts")
    _run(npm, "install", *options, folder / report["filename"], folder=project)
    assert [each.name for each in (project / "node_modules").iterdir() if each.is_dir()] == [
        "otpvoice-client"
    ]
    return project


def _run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_tarball_is_imported_by_node(node: Node, installed: Path) -> None:
    """The element, too, so that a server may render its page."""
    program = installed / "imports.js"
    program.write_text(IMPORTS)
    names = [f"otpvoice-client{path}" for path in ("", "/app", "/element", "/texts")]
    output = node.run(program, *names, folder=installed)
    errors = ["ApiError", "ConnectionFailed", "OtpvoiceError", "UnexpectedResponse"]
    assert json.loads(output) == [
        sorted(["Client", *errors]),
        sorted(["VerificationClient", "asciiDigits", *errors]),
        ["OtpvoiceCode"],
        ["isKnown", "texts", "textsFor"],
    ]


def test_tarball_is_typed(node: Node, installed: Path) -> None:
    """For a backend and a page, in both ways to find modules; mistakes in them are found."""
    for file in CONSUMER.iterdir():
        shutil.copy(file, installed)
    files = [each.name for each in CONSUMER.iterdir()]
    for name, resolution in RESOLUTIONS.items():
        config = {"compilerOptions": {**OPTIONS, **resolution}, "files": files}
        (installed / f"{name}.json").write_text(json.dumps(config))
    configs = [f"{name}.json" for name in RESOLUTIONS]
    assert node.run_tool("tsc", "--build", *configs, folder=installed) == ""
