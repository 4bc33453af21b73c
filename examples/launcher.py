"""How the examples are started beside a demo stack: by their environment, as in production."""

import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

from otpvoice.cli.request import HttpRequest
from otpvoice.cli.stack import Stack
from otpvoice.cli.stack_settings import APP_CLIENT

_HERE: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Example:
    """One of them."""

    package: str
    has_page: bool
    """Whether the service has to know it: its page asks the API, and it is told events."""
    environment: Callable[[Stack, str], Mapping[str, str]]
    """What it is told, besides where the service is and who asks."""

    def launch(self, stack: Stack, origin: str, **overrides: str) -> None:
        """Starts it on the port of ``origin``, as a process of the stack, and waits until it is up.

        ``further``: variables of this start.

        Raises:
            StackError, Stopped: as ``Stack.wait_until`` does.
        """
        bind = origin.removeprefix("http://")
        options = ["--no-control-socket", *f"--bind {bind} --threads 8 --pythonpath".split()]
        stack.start_process(
            self.package,
            [sys.executable, "-m", "gunicorn", *options, str(_HERE), f"{self.package}.wsgi:app"],
            **{
                "OTPVOICE_URL": stack.url,
                "OTPVOICE_API_KEY": stack.api_key,
                **self.environment(stack, origin),
                **overrides,
            },
        )
        stack.wait_until(lambda: _is_reachable(origin), f"{self.package} did not start")


def _login_environment(stack: Stack, origin: str) -> Mapping[str, str]:
    return {
        "OTPVOICE_API_KEY": stack.options.keys.app_api_key,
        "OTPVOICE_CLIENT": APP_CLIENT,
        "OTPVOICE_EVENT_SECRET": stack.event_secret,
        "LOGIN_ORIGIN": origin,
        "LOGIN_DATABASE": str(stack.folder / "login.sqlite"),
        "SESSION_SECRET": secrets.token_urlsafe(32),
    }


LOGIN: Final = Example("login_backend", has_page=True, environment=_login_environment)


def _page_environment(stack: Stack, _: str) -> Mapping[str, str]:
    return {"SANDBOX_URL": stack.sandbox_url, "DEMO_FOLDER": str(stack.folder)}


PAGE: Final = Example("demo_page", has_page=False, environment=_page_environment)
SMS: Final = Example("sms_fallback", has_page=False, environment=lambda *_: {"CALL_AFTER": "3"})


def _is_reachable(origin: str) -> bool | None:
    try:
        return HttpRequest("GET", origin).send().status_code < 500 or None
    except requests.RequestException:
        return None
