# ruff: noqa: INP001 - gunicorn reads it; no module imports it
"""Settings of ``otpvoice api``, for operators who start gunicorn themselves.

    OTPVOICE_CONFIG=otpvoice.toml gunicorn -c config/gunicorn.conf.py otpvoice.wsgi:app

Options on gunicorn's command line take precedence. An invalid setting stops the start.
"""

import os

from otpvoice.bootstrap import initialize
from otpvoice.cli.gunicorn import options

# Gunicorn's settings are the names in this file.
globals().update(options(initialize(os.environ).server))
