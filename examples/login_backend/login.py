"""The login: the page, the request for a call, and the receipt that logs the user in."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from login_backend import sessions
from login_backend.database import Database
from login_backend.phone_numbers import to_e164
from login_backend.receipts import InvalidReceipt, KeysUnavailable, ReceiptVerifier
from login_backend.settings import Settings
from otpvoice_client import (
    Client,
    ConnectionFailed,
    InvalidRequest,
    NumberRefused,
    RateLimited,
    Unavailable,
)

_TRANSLATIONS: Final[Mapping[str, Mapping[str, str]]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(Path(__file__).with_name("sentences").glob("*.json"))
}
"""Language → the texts of the page. Those of the element are its own."""


def login(
    client: Client, verifier: ReceiptVerifier, database: Database, settings: Settings
) -> Blueprint:
    """Create ``GET /``, ``POST /login``, ``POST /login/receipt`` and ``POST /logout``."""
    blueprint = Blueprint("login", __name__)

    @blueprint.get("/")
    def page() -> str:
        return _render_page(settings.suggested_number)

    @blueprint.post("/login")
    def start() -> ResponseReturnValue:
        return _start(client, settings.region)

    @blueprint.post("/login/receipt")
    def finish() -> ResponseReturnValue:
        return _finish(verifier, database)

    @blueprint.post("/logout")
    def log_out() -> ResponseReturnValue:
        sessions.log_out()
        return redirect(url_for("login.page"))

    return blueprint


def _render_page(suggested_number: str) -> str:
    language = _language()
    return render_template(
        "page.html",
        language=language,
        languages={code: texts["language"] for code, texts in _TRANSLATIONS.items()},
        texts=_TRANSLATIONS[language],
        suggested=suggested_number,
        number=sessions.logged_in_number(),
        receipt=sessions.receipt(),
    )


def _start(client: Client, region: str) -> ResponseReturnValue:
    """Request a call for ``{"number", "name"}``.

    The response has the verification's URL, client token and code length. The token gives the page
    access to this one verification until it ends. The API key stays in the backend.
    """
    # Each login has its own reference, so two logins of one number never share a verification.
    reference = secrets.token_urlsafe(16)
    try:
        verification = client.create(
            to_e164(_body_string("number"), region),
            name=_body_string("name"),
            locale=_language(),
            reference=reference,
            ip=request.remote_addr,  # behind a proxy, use Werkzeug's ProxyFix
        )
    except ConnectionFailed:
        return {"code": "store_unavailable"}, 503
    except (InvalidRequest, NumberRefused, RateLimited, Unavailable) as error:
        return {"code": error.code, "retry_after": error.retry_after}, error.status
    sessions.start_login(verification.to, reference)
    return {
        "url": verification.url,
        "client_token": verification.client_token,
        "code_length": verification.code_length,
    }


def _finish(verifier: ReceiptVerifier, database: Database) -> ResponseReturnValue:
    """Log the user in for ``{"receipt"}``: valid, for this very login, and new."""
    try:
        receipt = verifier.verify(_body_string("receipt"))
    except KeysUnavailable:
        return {"code": "store_unavailable"}, 503
    except InvalidReceipt:
        return {"code": "unauthorized"}, 403
    # An attacker has valid receipts for their own phone, so the number and the login must match.
    if not sessions.matches(receipt) or not database.mark_receipt_used(receipt.id):
        return {"code": "unauthorized"}, 403
    sessions.log_in(receipt)
    return "", 204


def _body_string(name: str) -> str:
    """Return a member of the JSON body; an absent one is empty."""
    body: Any = request.get_json()
    return str(body.get(name) or "") if isinstance(body, dict) else ""


def _language() -> str:
    """Return the language that the user chose, else that of the browser, else English."""
    chosen = request.args.get("language", "")
    if chosen in _TRANSLATIONS:
        return chosen
    return request.accept_languages.best_match(_TRANSLATIONS, default="en")
