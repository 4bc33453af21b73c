"""Start of every process: load the settings and configure the log with its redaction."""

from collections.abc import Mapping

import structlog

from otpvoice import logs
from otpvoice.http_client import InvalidCaBundleError, create_tls_context
from otpvoice.settings import InvalidSetting, Settings, SettingsError, load
from otpvoice.settings.credentials import secret_values

_LOG = structlog.get_logger(__name__)


def initialize(environ: Mapping[str, str]) -> Settings:
    """Load the settings, configure the log by them, and log their warnings.

    Raises:
        SettingsError: at least one setting is invalid; the text names each.
    """
    logs.configure()  # for errors before the settings are loaded
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
