"""What browsers are held to: which pages may ask us, and what our page may do."""

from typing import Final

from flask import Flask, Response, abort, request

from login_backend.settings import Settings

SIGNED_ENDPOINT: Final = "events.take"
"""The endpoint for other servers: they have no session, and prove themselves by a signature."""
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def protect(app: Flask, settings: Settings) -> None:
    """Keeps other sites from using our sessions (CSRF), and our page from running their scripts."""
    policy = _content_security_policy(settings)

    @app.before_request
    def refuse_other_sites() -> None:
        # Every browser names the origin of a request that changes something, and no page can make
        # it lie: so a session needs no further token beside its cookie.
        if request.method in _SAFE_METHODS or request.endpoint == SIGNED_ENDPOINT:
            return
        if request.headers.get("Origin") != settings.origin:
            abort(403)

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        if request.endpoint != "static":
            response.headers["Cache-Control"] = "no-store"  # tokens and numbers are in it
        return response


def _content_security_policy(settings: Settings) -> str:
    """Nothing but our own files, and requests to ourselves and to the service.

    A page that could frame ours could have its buttons pressed unseen (clickjacking).
    """
    ancestor = settings.framed_by or "'none'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' {settings.otpvoice_url}; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors {ancestor}"
    )
