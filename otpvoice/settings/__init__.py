"""The settings: one typed tree, read once at the start from a TOML file and the environment.

The sample ``config/otpvoice.toml`` describes every field and how variables override it.
"""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from otpvoice.settings.errors import SettingsError, WrongSetting
from otpvoice.settings.given import (
    Given,
    Place,
    dotted,
    given_in_environment,
    given_in_file,
    given_in_secret_directory,
)
from otpvoice.settings.reading import read
from otpvoice.settings.rules import advice, violations
from otpvoice.settings.tree import Settings

__all__ = ["Loaded", "Settings", "SettingsError", "WrongSetting", "load"]


class Loaded(Struct, frozen=True):
    """The settings, and what the operator should be told about them."""

    settings: Settings
    warnings: tuple[str, ...]


def load(environ: Mapping[str, str]) -> Loaded:
    """Read the settings from a file, a directory of secrets and the environment.

    ``OTPVOICE_CONFIG`` names the file and ``OTPVOICE_SECRETS_DIR`` the directory, if there are any.
    Both the directory and variables override the file; a setting that stands in both is refused.

    Raises:
        SettingsError: names every field that is wrong in itself; when there is none, every field
            that does not fit another one, or production.
    """
    variables, warnings = given_in_environment(environ)
    directory = environ.get("OTPVOICE_SECRETS_DIR")
    secrets, more = given_in_secret_directory(Path(directory)) if directory else ({}, [])
    for place in secrets.keys() & variables.keys():
        both = f"{secrets[place].source} and {variables[place].source}"
        variables[place] = Given(None, both, fault="is given twice: set one of them, not both")
    config = environ.get("OTPVOICE_CONFIG")
    given = (given_in_file(Path(config)) if config else {}) | secrets | variables
    try:
        settings = read(given)
    except SettingsError as error:
        is_missing = any(wrong.source == "not set" for wrong in error.wrong)
        raise (error if config or not is_missing else _without_file(error)) from None
    _check(settings, given)
    return Loaded(settings, (*warnings, *more, *advice(settings)))


def _without_file(error: SettingsError) -> SettingsError:
    """Say first that no file was read, which is the likely reason for missing settings."""
    detail = (
        "names no file, so only variables were read; set it to the path of your otpvoice.toml "
        "(`otpvoice keys new CLIENT --secrets` writes the beginning of one)"
    )
    return SettingsError([WrongSetting("OTPVOICE_CONFIG", "not set", detail), *error.wrong])


def _check(settings: Settings, given: Mapping[Place, Given]) -> None:
    sources = {dotted(place): each.source for place, each in given.items()}
    wrong = [
        WrongSetting(name, sources.get(name.partition("[")[0], "not set"), detail)
        for name, detail in violations(settings)
    ]
    if wrong:
        raise SettingsError(wrong)
