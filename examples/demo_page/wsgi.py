"""What a server starts: ``gunicorn demo_page.wsgi:app``."""

import os
from typing import Final

from demo_page.app import create_app
from demo_page.settings import Settings

app: Final = create_app(Settings.from_environ(os.environ))
