"""The page, and the request for a call."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from login_backend import sessions
from login_backend.phone_numbers import to_e164
from login_backend.request_body import body_strings
from otpvoice.client import (
    Client,
    ConnectionFailed,
    InvalidRequest,
    NumberRefused,
    RateLimited,
    Unavailable,
)

_TRANSLATIONS: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(Path(__file__).with_name("sentences").glob("*.json"))
}
"""Language → what we say in it."""


def login(client: Client, region: str, suggested_number: str = "") -> Blueprint:
    """``GET /``, ``POST /login``, ``POST /logout``.

    Args:
        client: of the service.
        region: whose national numbers the form takes.
        suggested_number: the number that the form begins with.
    """
    blueprint = Blueprint("login", __name__)

    @blueprint.get("/")
    def page() -> str:
        """The form; or who is logged in."""
        language = _language()
        return render_template(
            "page.html",
            language=language,
            languages={code: said["page"]["language"] for code, said in _TRANSLATIONS.items()},
            sentences=_TRANSLATIONS[language],
            suggested=suggested_number,
            number=sessions.logged_in_number(),
            receipt=sessions.receipt(),
        )

    @blueprint.post("/login")
    def begin() -> ResponseReturnValue:
        """``{"number", "name"}`` → what the page needs to follow this verification, and no other.

        The client token opens it until it is over; the API key stays here.
        """
        asked = body_strings("number", "name")
        # A name of its own for every login: two of one number never share a verification.
        reference = secrets.token_urlsafe(16)
        try:
            verification = client.create(
                to_e164(asked["number"], region),
                name=asked["name"],
                locale=_language(),
                reference=reference,
                ip=request.remote_addr,  # behind a proxy: see Werkzeug's ProxyFix
            )
        except ConnectionFailed:
            return {"code": "store_unavailable"}, 503
        except (InvalidRequest, NumberRefused, RateLimited, Unavailable) as refusal:
            return {"code": refusal.code, "retry_after": refusal.retry_after}, refusal.status
        sessions.start_login(verification.to, reference)
        return {"url": verification.url, "client_token": verification.client_token}

    @blueprint.post("/logout")
    def leave() -> ResponseReturnValue:
        """Back to the form."""
        sessions.log_out()
        return redirect(url_for("login.page"))

    return blueprint


def _language() -> str:
    """What the visitor chose, else what the browser prefers, else English."""
    chosen = request.args.get("language", "")
    if chosen in _TRANSLATIONS:
        return chosen
    return request.accept_languages.best_match(_TRANSLATIONS, default="en")
