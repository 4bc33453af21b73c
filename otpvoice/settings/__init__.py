"""The settings: one typed tree, read once at the start from a TOML file and the environment.

The sample ``config/otpvoice.toml`` describes every field and how variables override it.
"""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from otpvoice.settings.errors import SettingsError, WrongSetting
from otpvoice.settings.given import Given, Place, dotted, given_in_environment, given_in_file
from otpvoice.settings.reading import read
from otpvoice.settings.rules import advice, violations
from otpvoice.settings.tree import Settings

__all__ = ["Loaded", "Settings", "SettingsError", "WrongSetting", "load"]


class Loaded(Struct, frozen=True):
    """The settings, and what the operator should be told about them."""

    settings: Settings
    warnings: tuple[str, ...]


def load(environ: Mapping[str, str]) -> Loaded:
    """The settings of the file that ``OTPVOICE_CONFIG`` names, if any, and of the environment.

    Raises:
        SettingsError: names every field that is wrong in itself; when there is none, every field
            that does not fit another one, or production.
    """
    from_environment, warnings = given_in_environment(environ)
    config = environ.get("OTPVOICE_CONFIG")
    given = (given_in_file(Path(config)) if config else {}) | from_environment
    settings = read(given)
    _check(settings, given)
    return Loaded(settings, (*warnings, *advice(settings)))


def _check(settings: Settings, given: Mapping[Place, Given]) -> None:
    sources = {dotted(place): each.source for place, each in given.items()}
    wrong = [
        WrongSetting(name, sources.get(name.partition("[")[0], "not set"), detail)
        for name, detail in violations(settings)
    ]
    if wrong:
        raise SettingsError(wrong)
