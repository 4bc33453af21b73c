"""What a server starts, with one worker: ``gunicorn sms_fallback.wsgi:app``."""

import os
from typing import Final

from otpvoice.client import Client
from sms_fallback.app import create_app

app: Final = create_app(
    Client(os.environ["OTPVOICE_URL"], os.environ["OTPVOICE_API_KEY"]),
    call_after=int(os.environ["CALL_AFTER"]),
)
