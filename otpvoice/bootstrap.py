"""What every process begins with: its settings, and a log that knows what it must not tell."""

from collections.abc import Mapping

import structlog

from otpvoice import logs
from otpvoice.http_client import InvalidCaBundleError, create_tls_context
from otpvoice.settings import InvalidSetting, Settings, SettingsError, load
from otpvoice.settings.secret_values import secret_values

_LOG = structlog.get_logger(__name__)


def initialize(environ: Mapping[str, str]) -> Settings:
    """The settings of this environment; from here on the log is as they say, warnings first.

    Raises:
        SettingsError: a field is wrong; the text names each.
    """
    logs.configure()  # for whatever goes wrong before the settings are known
    loaded = load(environ)
    try:
        create_tls_context(environ)
    except InvalidCaBundleError as error:
        raise SettingsError([InvalidSetting(error.variable, "environment", error.detail)]) from None
    settings = loaded.settings
    log = settings.log
    logs.configure(log.level, log.format, secret_values(settings), settings.clients.keys())
    for warning in loaded.warnings:
        _LOG.warning("settings.warning", warning=warning)
    return settings
