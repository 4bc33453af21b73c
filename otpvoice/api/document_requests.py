"""What the requests of providers for a call's document have in common."""

from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from werkzeug.exceptions import RequestEntityTooLarge

from otpvoice.api.openapi import Operation, ResponseSpec
from otpvoice.core.errors import NotFound, StoreUnavailable
from otpvoice.providers.base import Callback, CallbackAuthError
from otpvoice.providers.exchange_capture import CapturedAnswer

XML: Final = "application/xml"
"""The media type of every document."""
_FORM: Final = "application/x-www-form-urlencoded"
_LOG: Final = structlog.get_logger(__name__)
_Parsed = TypeVar("_Parsed")


def document_operation(name: str, path: str, summary: str, description: str) -> Operation:
    """Return the operation that takes such a request."""
    return Operation(
        name=name,
        method="post",
        path=path,
        tag="callbacks",
        summary=summary,
        description=description,
        accepts=(_FORM,),
        responses=(
            ResponseSpec(200, "The document, in the provider's own XML.", media_types=(XML,)),
        ),
        errors=(NotFound, RequestEntityTooLarge, StoreUnavailable),
    )


def parse_signed(parse: Callable[[Callback], _Parsed], callback: Callback) -> _Parsed:
    """Return what ``parse``, a method of the provider, reads from its request.

    Raises:
        NotFound: the provider did not send this, or not for a call of this service.
    """
    try:
        return parse(callback)
    except CallbackAuthError as error:
        _LOG.warning("callback.unauthorized")
        raise NotFound("There is no such call.") from error


def captured_answer(callback: Callback, outcome: str, *, is_key: bool = False) -> CapturedAnswer:
    """Return what is kept of a request for a document of a live test call."""
    return CapturedAnswer(
        method=callback.method,
        content_type=callback.headers.get("content-type", ""),
        headers=(*callback.headers,),
        body=callback.body,
        outcome=outcome,
        is_key=is_key,
    )
