"""How the examples are started with a demo stack: by environment variables, as in production."""

import os
import secrets
import sys
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

from otpvoice_demo.printer import HttpRequest
from otpvoice_demo.settings import APP_CLIENT
from otpvoice_demo.stack import Stack

VISITOR_NUMBER: Final = "+919845012345"
"""The phone on the demo's page. The scenario calls another one, so no limit of it is used up."""
_FORMATTED_NUMBER: Final = "+91 98450 12345"
_EXAMPLES: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Example:
    """An example that runs as a process of a stack."""

    package: str
    environment: Callable[[Stack, str], Mapping[str, str]]
    """Its variables, in addition to the address of the service and the API key."""

    def launch(self, stack: Stack, origin: str, **overrides: str) -> None:
        """Start the example on the port of ``origin``, and wait until it responds.

        ``overrides``: variables of this start.

        Raises:
            StackError, StopRequested: as ``Stack.wait_until``.
        """
        bind = origin.removeprefix("http://")
        options = ["--no-control-socket", *f"--bind {bind} --threads 8 --pythonpath".split()]
        app = f"{self.package}.app:create_app()"
        stack.start_process(
            self.package,
            [sys.executable, "-m", "gunicorn", *options, str(_EXAMPLES), app],
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


def _page_environment(stack: Stack, _: str) -> Mapping[str, str]:
    return {"SANDBOX_URL": stack.sandbox_url, "DEMO_FOLDER": str(stack.folder)}


LOGIN: Final = Example("login_backend", _login_environment)
PAGE: Final = Example("demo_page", _page_environment)
SMS: Final = Example("sms_fallback", lambda *_: {"CALL_AFTER": "3"})


def start_pages(stack: Stack, login: str, page: str) -> None:
    """Start the login and the demo's page, with a phone that is answered by hand."""
    LOGIN.launch(stack, login, LOGIN_FRAMED_BY=page, LOGIN_NUMBER=_FORMATTED_NUMBER)
    PAGE.launch(stack, page, LOGIN_ORIGIN=login, DEMO_NUMBER=VISITOR_NUMBER)
    phone = f"{stack.sandbox_url}/phones/{VISITOR_NUMBER.removeprefix('+')}"
    HttpRequest("PUT", phone, body={"behaviour": "by_hand"}).send().raise_for_status()


def open_in_browser(page: str) -> None:
    """Open a page if a user at this terminal can see a browser window."""
    has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.stdout.isatty() and (has_display or sys.platform in {"darwin", "win32"}):
        webbrowser.open(page)


def _is_reachable(origin: str) -> bool | None:
    try:
        return HttpRequest("GET", origin).send().status_code < 500 or None
    except requests.RequestException:
        return None
