"""Protection against other websites: CSRF checks and a content security policy."""

from typing import Final

from flask import Flask, Response, abort, request

from login_backend.settings import Settings

EVENT_ENDPOINT: Final = "events.receive"
"""The endpoint for the service, which has no session and signs its requests instead."""
_STATIC_ENDPOINTS: Final = frozenset({"static", "element.static"})
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def protect(app: Flask, settings: Settings) -> None:
    """Reject requests of other sites (CSRF), and forbid scripts of other sites in the page."""
    policy = _content_security_policy(settings)

    @app.before_request
    def reject_cross_site() -> None:
        # Browsers send the origin with every request that changes something, and a page cannot
        # forge it. The session therefore needs no CSRF token.
        if request.method in _SAFE_METHODS or request.endpoint == EVENT_ENDPOINT:
            return
        if request.headers.get("Origin") != settings.origin:
            abort(403)

    @app.after_request
    def set_security_headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["X-Content-Type-Options"] = "nosniff"
        if request.endpoint not in _STATIC_ENDPOINTS:
            response.headers["Cache-Control"] = "no-store"  # responses have tokens and numbers
        return response


def _content_security_policy(settings: Settings) -> str:
    """Allow only the page's own files, and requests to this backend and to the service.

    ``frame-ancestors`` prevents clickjacking: a page that embeds the login could make users press
    its buttons unknowingly.
    """
    ancestor = settings.framed_by or "'none'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' {settings.otpvoice_url}; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors {ancestor}"
    )
