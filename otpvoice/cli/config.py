"""``otpvoice config``: the sample configuration."""

from importlib.resources import files
from pathlib import Path

import click


def sample_text() -> str:
    """Return the sample configuration: a part of the package, or a file of the checkout."""
    packaged = files("otpvoice") / "sample.toml"
    if packaged.is_file():
        return packaged.read_text("utf-8")
    return (Path(__file__).parents[2] / "config" / "otpvoice.toml").read_text("utf-8")


@click.group()
def config() -> None:
    """Print the sample configuration."""


@config.command()
def sample() -> None:
    """Print a configuration file in which every setting is explained, with its default.

    otpvoice config sample > otpvoice.toml
    """
    click.echo(sample_text(), nl=False)
