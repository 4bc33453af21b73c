"""The WSGI application, as in ``gunicorn -c config/gunicorn.conf.py otpvoice.wsgi:app``."""

import os

from otpvoice.app import create_app
from otpvoice.bootstrap import initialize

app = create_app(initialize(os.environ))
