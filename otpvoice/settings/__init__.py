"""The settings: one typed tree, read once at the start from a TOML file and the environment.

The sample ``config/otpvoice.toml`` describes every field and how variables override it.
"""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from otpvoice.core.flow import Flow
from otpvoice.settings.errors import InvalidSetting, SettingsError
from otpvoice.settings.loader import build_flows, build_settings
from otpvoice.settings.schema import Settings
from otpvoice.settings.sources import (
    RawValue,
    SettingPath,
    dotted_name,
    values_from_environment,
    values_from_file,
    values_from_secrets_directory,
)
from otpvoice.settings.validation import cross_field_errors, setting_warnings

__all__ = ["InvalidSetting", "LoadedSettings", "Settings", "SettingsError", "load", "load_flows"]


class LoadedSettings(Struct, frozen=True):
    """The settings, and what the operator should be told about them."""

    settings: Settings
    warnings: tuple[str, ...]


def load(environ: Mapping[str, str]) -> LoadedSettings:
    """Read the settings from a file, a directory of secrets and the environment.

    ``OTPVOICE_CONFIG`` names the file and ``OTPVOICE_SECRETS_DIR`` the directory, if there are any.
    Both the directory and variables override the file; a setting that stands in both is refused.

    Raises:
        SettingsError: names every field that is wrong in itself; when there is none, every field
            that does not fit another one, or production.
    """
    given, warnings = _raw_values(environ)
    try:
        settings = build_settings(given)
    except SettingsError as error:
        is_missing = any(wrong.source == "not set" for wrong in error.invalid)
        has_file = environ.get("OTPVOICE_CONFIG")
        raise (error if has_file or not is_missing else _without_file(error)) from None
    _check(settings, given)
    return LoadedSettings(settings, (*warnings, *setting_warnings(settings)))


def _without_file(error: SettingsError) -> SettingsError:
    """Say first that no file was read, which is the likely reason for missing settings."""
    detail = (
        "names no file, so only variables were read; set it to the path of your otpvoice.toml "
        "(`otpvoice keys new CLIENT --secrets` writes the beginning of one)"
    )
    return SettingsError([InvalidSetting("OTPVOICE_CONFIG", "not set", detail), *error.invalid])


def load_flows(environ: Mapping[str, str]) -> Mapping[str, Mapping[str, Flow]]:
    """Return the flows of the same file and environment, by the dotted names of their settings.

    Every other setting may be missing or wrong: ``provider.flows``, ``clients.app.flows``.

    Raises:
        SettingsError: the file cannot be read, flows are wrong, or ``provider.flows`` is missing.
    """
    return {
        dotted_name(place): flows for place, flows in build_flows(_raw_values(environ)[0]).items()
    }


def _raw_values(environ: Mapping[str, str]) -> tuple[dict[SettingPath, RawValue], list[str]]:
    """Return every value of file, directory of secrets and environment, and warnings."""
    variables, warnings = values_from_environment(environ)
    directory = environ.get("OTPVOICE_SECRETS_DIR")
    secrets, more = values_from_secrets_directory(Path(directory)) if directory else ({}, [])
    for place in secrets.keys() & variables.keys():
        both = f"{secrets[place].source} and {variables[place].source}"
        variables[place] = RawValue(None, both, error="is given twice: set one of them, not both")
    config = environ.get("OTPVOICE_CONFIG")
    from_file = values_from_file(Path(config)) if config else {}
    return from_file | secrets | variables, [*warnings, *more]


def _check(settings: Settings, given: Mapping[SettingPath, RawValue]) -> None:
    sources = {dotted_name(place): each.source for place, each in given.items()}
    wrong = [
        InvalidSetting(name, sources.get(name.partition("[")[0], "not set"), detail)
        for name, detail in cross_field_errors(settings)
    ]
    if wrong:
        raise SettingsError(wrong)
