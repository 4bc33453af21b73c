"""The page as a Flask app."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from flask import Flask, Response, render_template, send_from_directory

from otpvoice_demo.printer import HttpRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the page."""

    login_origin: str
    """Origin of the login, which allows this page to embed it."""
    sandbox_url: str
    """URL of the sandbox, which also allows it."""
    service_url: str
    """URL of the API."""
    api_key: str = field(repr=False)
    """Shown on the page, because it is valid for this demo only."""
    number: str
    """Number of the phone that is answered by hand."""
    log_folder: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from environment variables.

        Raises:
            KeyError: a variable is missing.
        """
        return cls(
            login_origin=environ["LOGIN_ORIGIN"],
            sandbox_url=environ["SANDBOX_URL"],
            service_url=environ["OTPVOICE_URL"],
            api_key=environ["OTPVOICE_API_KEY"],
            number=environ["DEMO_NUMBER"],
            log_folder=Path(environ["DEMO_FOLDER"]),
        )


def create_app(settings: Settings | None = None) -> Flask:
    """Create ``GET /``, and ``/logs/<name>`` for each process.

    Without an argument, the settings come from environment variables.
    """
    settings = settings or Settings.from_environ(os.environ)
    app = Flask(__name__)
    app.config["TRUSTED_HOSTS"] = ["127.0.0.1", "localhost"]
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; "
        f"frame-src {settings.login_origin} {settings.sandbox_url}; frame-ancestors 'none'"
    )

    @app.get("/")
    def page() -> str:
        logs = sorted(path.stem for path in settings.log_folder.glob("*.log"))
        requests = [request.curl() for request in _example_requests(settings)]
        return render_template("page.html", settings=settings, logs=logs, requests=requests)

    @app.get("/logs/<name>")
    def log(name: str) -> Response:
        return send_from_directory(settings.log_folder, f"{name}.log", mimetype="text/plain")

    @app.after_request
    def set_security_headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"  # the page has a key, and logs grow
        return response

    return app


def _example_requests(settings: Settings) -> Iterator[HttpRequest]:
    """Yield the requests that start a call and list the calls of the phone."""
    body = {"to": settings.number, "name": "Asha"}
    yield HttpRequest("POST", f"{settings.service_url}/v1/verifications", settings.api_key, body)
    digits = settings.number.removeprefix("+")
    yield HttpRequest("GET", f"{settings.sandbox_url}/phones/{digits}/calls")
