"""For any WSGI server: ``gunicorn --threads 16 otpvoice.wsgi:app``."""

import os

from otpvoice import logs
from otpvoice.app import create_app
from otpvoice.settings import load

logs.configure()
app = create_app(load(os.environ).settings)
