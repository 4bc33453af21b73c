"""A login by voice code, as an example to copy from.

``create_app`` creates the backend; without settings it reads environment variables.
"""

from login_backend.app import create_app
from login_backend.settings import Settings

__all__ = ["Settings", "create_app"]
