"""Content that is built once and that readers keep: pages, documents and public keys."""

import hashlib
from dataclasses import dataclass
from typing import Final

from werkzeug.exceptions import PreconditionFailed

from otpvoice.api.http import ApiRequest, ApiResponse
from otpvoice.api.openapi import ResponseSpec

MAX_AGE_S: Final = 300
"""How long a reader may use the content without asking again."""
CACHE_HEADERS: Final = ("ETag", "Cache-Control")
"""Of its responses."""
CONDITION_HEADERS: Final = ("If-Match", "If-None-Match")
"""Of requests for it."""
NOT_MODIFIED: Final = ResponseSpec(
    304, "The content has not changed.", media_types=(), headers=CACHE_HEADERS
)


@dataclass(frozen=True, slots=True)
class CachedContent:
    """Content that is the same for everyone."""

    body: bytes
    content_type: str
    policy: str = ""
    """The Content-Security-Policy of a page."""
    for_any_origin: bool = False
    """Whether pages of every web origin may read it (CORS)."""

    def response_to(self, request: ApiRequest) -> ApiResponse:
        """Return the content, or 304 if the reader has it (RFC 9110, section 13.1.2).

        Raises:
            PreconditionFailed: the reader wants other content (section 13.1.1).
        """
        etag = hashlib.sha256(self.body).hexdigest()[:32]
        headers = {"ETag": f'"{etag}"', "Cache-Control": f"public, max-age={MAX_AGE_S}"}
        if self.policy:
            headers["Content-Security-Policy"] = self.policy
        if self.for_any_origin:
            headers["Access-Control-Allow-Origin"] = "*"
        wanted = request.wsgi.if_match
        if request.has_header("If-Match") and not (wanted.star_tag or wanted.is_strong(etag)):
            raise PreconditionFailed
        if request.wsgi.if_none_match.contains_weak(etag):
            return ApiResponse(status=304, headers=headers)
        return ApiResponse(self.body, content_type=self.content_type, headers=headers)
