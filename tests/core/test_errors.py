"""The tree in the docstring of the errors matches the classes."""

import inspect
import re

import pytest

from otpvoice.core import errors
from otpvoice.core.errors import FieldError, InvalidRequest, OtpvoiceError

CLASSES = {
    name: kind for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, Exception)
}  # fmt: skip


def drawn_tree() -> dict[str, str | None]:
    """Return each class of the drawing with its base."""
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if drawn := re.match(r"([│├└─ ]*)([A-Z]\w+)(?: {2}|$)", line):
            depth, name = len(drawn[1]) // 4, drawn[2]
            path[depth:] = [name]
            parents[name] = path[depth - 1] if depth else None
    return parents


def test_drawing_matches_the_classes() -> None:
    """Each class is below its base, and none is missing."""
    assert drawn_tree() == {
        name: None if kind is OtpvoiceError else kind.__bases__[0].__name__
        for name, kind in CLASSES.items()
    }


@pytest.mark.parametrize("kind", CLASSES.values())
def test_errors_have_no_http_status(kind: type[OtpvoiceError]) -> None:
    """The API maps errors to statuses."""
    assert not {"status", "status_code", "code"} & set(dir(kind))
    assert kind.verification is None


def test_invalid_request_for_field_has_its_pointer() -> None:
    """In the text and in the field errors (RFC 6901)."""
    refusal = InvalidRequest.for_field("/code", "must be a string")
    assert str(refusal) == "/code must be a string"
    assert refusal.field_errors == (FieldError("/code", "must be a string"),)
