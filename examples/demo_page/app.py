"""The page as a Flask app."""

from collections.abc import Iterator

from flask import Flask, Response, render_template, send_from_directory

from demo_page.settings import Settings
from otpvoice_demo.printer import HttpRequest


def create_app(settings: Settings) -> Flask:
    """``GET /``, and ``/logs/<name>`` for each process."""
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
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"  # a key is in it, and logs grow
        return response

    return app


def _example_requests(settings: Settings) -> Iterator[HttpRequest]:
    """The same call without the login, for a shell: asked for, and what the phone heard."""
    body = {"to": settings.number, "name": "Asha"}
    yield HttpRequest("POST", f"{settings.service_url}/v1/verifications", settings.api_key, body)
    yield HttpRequest(
        "GET", f"{settings.sandbox_url}/phones/{settings.number.removeprefix('+')}/calls"
    )
