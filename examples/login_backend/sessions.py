"""The browser's session. Flask signs it: users can read it, but not change it."""

from collections.abc import Mapping

from flask import session

from login_backend.receipts import Receipt


def start_login(number: str, reference: str) -> None:
    """Start a login. A receipt must have this number and reference to finish it."""
    session.clear()
    session.update(requested_number=number, reference=reference)


def matches(receipt: Receipt) -> bool:
    """Return whether the receipt is for the login and the number of this session."""
    started = (session.get("requested_number"), session.get("reference"))
    return (receipt.number, receipt.reference) == started


def log_in(receipt: Receipt) -> None:
    """Log the user in, in a new session."""
    session.clear()
    session.permanent = True
    session.update(number=receipt.number, reference=receipt.reference, receipt={**receipt.claims})


def log_out() -> None:
    """End the session."""
    session.clear()


def logged_in_number() -> str | None:
    """Return the number of the user; None if no user is logged in."""
    number: str | None = session.get("number")
    return number


def receipt() -> Mapping[str, object] | None:
    """Return the claims of the receipt; None if no user is logged in."""
    claims: Mapping[str, object] | None = session.get("receipt")
    return claims


def reference() -> str:
    """Return the reference of the last login; empty if there was none."""
    reference: str = session.get("reference", "")
    return reference
