"""A login by voice code: copy what you need of it.

``create_app`` is the whole backend; ``wsgi`` starts it from the environment.
"""

from login_backend.app import create_app
from login_backend.settings import Settings

__all__ = ["Settings", "create_app"]
