"""What a browser's session says. Flask signs it: its owner can read and nobody can change it."""

from collections.abc import Mapping

from flask import session

from login_backend.receipts import Receipt


def start_login(number: str, reference: str) -> None:
    """From now on, this login is the one that a receipt has to be for."""
    session.clear()
    session.update(asked=number, reference=reference)


def matches(receipt: Receipt) -> bool:
    """Whether the receipt is for the login that this browser began, and for its number."""
    begun = (session.get("asked"), session.get("reference"))
    return (receipt.number, receipt.reference) == begun


def log_in(receipt: Receipt) -> None:
    """This browser is logged in. What it was before is gone."""
    session.clear()
    session.permanent = True
    session.update(number=receipt.number, reference=receipt.reference, receipt={**receipt.claims})


def log_out() -> None:
    """Forgets who it is."""
    session.clear()


def logged_in_number() -> str | None:
    """Whose it is; None while nobody is logged in."""
    found: str | None = session.get("number")
    return found


def receipt() -> Mapping[str, object] | None:
    """What the receipt said that let it in; None while nobody is logged in."""
    found: Mapping[str, object] | None = session.get("receipt")
    return found


def reference() -> str:
    """The last login of this browser; empty if there was none."""
    found: str = session.get("reference", "")
    return found
