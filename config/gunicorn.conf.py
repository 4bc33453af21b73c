# ruff: noqa: INP001 - gunicorn reads it, nobody imports it
"""For those who start gunicorn themselves: the settings that ``otpvoice api`` gives it.

    OTPVOICE_CONFIG=otpvoice.toml gunicorn -c config/gunicorn.conf.py otpvoice.wsgi:app

Whatever stands on gunicorn's command line wins. A wrong setting stops the start and is named.
"""

import os

from otpvoice.bootstrap import initialize
from otpvoice.cli.gunicorn import options

# Gunicorn's settings are the names in this file.
globals().update(options(initialize(os.environ).server))
