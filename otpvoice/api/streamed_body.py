"""Bodies that have not arrived as a whole: chunked ones, and those that a server passes on."""

from typing import Final
from wsgiref.types import WSGIEnvironment

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from otpvoice.api.errors import UnreadableBody

MAX_BODY_BYTES: Final = 16 * 1024


def read_stream(environ: WSGIEnvironment) -> bytes:
    """Return the body of a request.

    Raises:
        RequestEntityTooLarge: it is longer than 16 KiB.
        UnreadableBody: its chunks are malformed.
    """
    # Werkzeug stops at the limit without an error, so one more byte reveals a longer body.
    try:
        stream = get_input_stream(environ, max_content_length=MAX_BODY_BYTES + 1)
        raw = stream.read()
    except HTTPException:
        raise
    except Exception as error:  # each server raises its own error for malformed chunks
        raise UnreadableBody("The body's chunks cannot be decoded.") from error
    if len(raw) > MAX_BODY_BYTES:
        raise RequestEntityTooLarge
    return raw
