"""What a server starts: ``gunicorn login_backend.wsgi:app``."""

import os
from typing import Final

from login_backend.app import create_app
from login_backend.settings import Settings

app: Final = create_app(Settings.from_environ(os.environ))
