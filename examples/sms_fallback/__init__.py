"""An SMS system that falls back to a call when an SMS is lost, as an example to copy from."""

from sms_fallback.app import create_app

__all__ = ["create_app"]
