"""Typed settings, read once at the start from a TOML file, the environment and secret files.

The sample ``config/otpvoice.toml`` documents every field and the variables that override it.
"""

from otpvoice.settings.loader import LoadedSettings, load, load_flows
from otpvoice.settings.schema import Settings
from otpvoice.settings.sources import InvalidSetting, SettingsError

__all__ = ["InvalidSetting", "LoadedSettings", "Settings", "SettingsError", "load", "load_flows"]
