"""For any WSGI server: ``gunicorn -c config/gunicorn.conf.py otpvoice.wsgi:app``."""

import os

from otpvoice.app import create_app
from otpvoice.bootstrap import load_and_log

app = create_app(load_and_log(os.environ))
