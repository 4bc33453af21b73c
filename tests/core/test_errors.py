"""The tree that the docstring draws is the tree of the classes."""

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
    """Each class of the drawing with the one it hangs from."""
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if drawn := re.match(r"([│├└─ ]*)([A-Z]\w+)(?: {2}|$)", line):
            depth, name = len(drawn[1]) // 4, drawn[2]
            path[depth:] = [name]
            parents[name] = path[depth - 1] if depth else None
    return parents


def test_the_drawing_shows_every_class_where_it_is() -> None:
    """None is missing, none is drawn that is not there, each hangs from its base."""
    assert drawn_tree() == {
        name: None if kind is OtpvoiceError else kind.__bases__[0].__name__
        for name, kind in CLASSES.items()
    }


@pytest.mark.parametrize("kind", CLASSES.values())
def test_no_error_knows_http(kind: type[OtpvoiceError]) -> None:
    """The core tells what is the matter; the answer's status is the API's."""
    assert not {"status", "status_code", "code"} & set(dir(kind))
    assert kind.verification is None


def test_a_refused_member_is_pointed_at() -> None:
    """The pointer stands in the text and in the evidence (RFC 6901)."""
    refusal = InvalidRequest.for_field("/code", "must be a string")
    assert str(refusal) == "/code must be a string"
    assert refusal.field_errors == (FieldError("/code", "must be a string"),)
