"""An SMS system that has the phone ring when an SMS is lost: copy what you need of it."""

from sms_fallback.app import create_app

__all__ = ["create_app"]
