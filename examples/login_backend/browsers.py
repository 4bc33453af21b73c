"""What browsers are held to: which pages may ask us, and what our page may do."""

from typing import Final

from flask import Flask, Response, abort, request

SIGNED: Final = "events.take"
"""The endpoint for other servers: they have no session, and prove themselves by a signature."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def guard(app: Flask, origin: str, otpvoice_url: str) -> None:
    """Keeps other sites from using our sessions (CSRF), and our page from running their scripts."""
    policy = _policy(otpvoice_url)

    @app.before_request
    def refuse_other_sites() -> None:
        # Every browser names the origin of a request that changes something, and no page can make
        # it lie: so a session needs no further token beside its cookie.
        if request.method in _SAFE or request.endpoint == SIGNED:
            return
        if request.headers.get("Origin") != origin:
            abort(403)

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"  # tokens and numbers are in it
        return response


def _policy(otpvoice_url: str) -> str:
    """Nothing but our own files, and requests to ourselves and to the service."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' {otpvoice_url}; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
