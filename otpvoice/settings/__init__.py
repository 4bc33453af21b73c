"""Typed settings, read once at the start from a TOML file, the environment and secret files.

The sample ``config/otpvoice.toml`` documents every field and the variables that override it.
"""

from collections.abc import Mapping

from msgspec import Struct

from otpvoice.core.speech import Flow
from otpvoice.settings.loader import build_flows, build_settings
from otpvoice.settings.schema import Settings
from otpvoice.settings.sources import InvalidSetting, SettingsError, collect, dotted_name
from otpvoice.settings.validation import cross_field_errors, setting_warnings

__all__ = ["InvalidSetting", "LoadedSettings", "Settings", "SettingsError", "load", "load_flows"]


class LoadedSettings(Struct, frozen=True):
    """Settings, and warnings for the operator."""

    settings: Settings
    warnings: tuple[str, ...]


def load(environ: Mapping[str, str]) -> LoadedSettings:
    """Load the settings.

    ``OTPVOICE_CONFIG`` names the file and ``OTPVOICE_SECRETS_DIR`` the directory of secret files.
    Variables and secret files override the file.

    Raises:
        SettingsError: names every setting that is invalid by itself; if there is none, every
            setting that contradicts another one, or is not fit for production.
    """
    values, warnings = collect(environ)
    try:
        settings = build_settings(values)
    except SettingsError as error:
        is_missing = any(each.source == "not set" for each in error.invalid)
        has_file = environ.get("OTPVOICE_CONFIG")
        raise (error if has_file or not is_missing else _without_file(error)) from None
    sources = {dotted_name(path): raw.source for path, raw in values.items()}
    invalid = [
        InvalidSetting(name, sources.get(name.partition("[")[0], "not set"), detail)
        for name, detail in cross_field_errors(settings)
    ]
    if invalid:
        raise SettingsError(invalid)
    return LoadedSettings(settings, (*warnings, *setting_warnings(settings)))


def load_flows(environ: Mapping[str, str]) -> Mapping[str, Mapping[str, Flow]]:
    """Load only the flows, by dotted name: ``provider.flows``, ``clients.app.flows``.

    Every other setting may be missing or invalid.

    Raises:
        SettingsError: the file cannot be read, flows are invalid, or ``provider.flows`` is missing.
    """
    return build_flows(collect(environ)[0])


def _without_file(error: SettingsError) -> SettingsError:
    """Report first that no file was read, which is the likely reason for missing settings."""
    detail = (
        "names no file, so only variables were read; set it to the path of your otpvoice.toml "
        "(`otpvoice keys new CLIENT --secrets` writes the beginning of one)"
    )
    return SettingsError([InvalidSetting("OTPVOICE_CONFIG", "not set", detail), *error.invalid])
