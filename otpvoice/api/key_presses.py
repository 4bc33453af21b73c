"""``/calls/<provider>/<token>/key``: what a gated call speaks after a key was pressed.

The first key decides: the code is returned once, while the call is live, or the call is denied.
Every other authentic request gets a document that ends the call.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import structlog

from otpvoice.api.application import ApiEndpoint
from otpvoice.api.call_documents import CallDocuments
from otpvoice.api.document_requests import (
    XML,
    captured_answer,
    document_operation,
    parse_signed,
)
from otpvoice.api.http import ApiRequest, ApiResponse
from otpvoice.api.webhooks import received_callback
from otpvoice.providers.answering import GatingProvider
from otpvoice.providers.exchange_capture import ExchangeCapture
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.speech_models import KeyOutcome, KeyPress

_LOG: Final = structlog.get_logger(__name__)
_NO_KEY: Final = KeyPress(KeyOutcome.NOT_ASKED)


@dataclass(frozen=True, slots=True)
class KeyViews:
    """The view that takes the keys that were pressed during one provider's calls."""

    provider: GatingProvider
    store: RedisStore
    documents: CallDocuments
    public_url: str
    """The address of the API as the provider knows it."""
    capture: ExchangeCapture

    def endpoints(self) -> Iterator[ApiEndpoint]:
        """Yield the endpoint."""
        name = self.documents.provider_name
        operation = document_operation(
            name=f"press_key_in_call_of_{name.replace('-', '_')}",
            path=f"/calls/{name}/{{path_token}}/key",
            summary="Return what a call speaks after a key",
            description="The provider sends this request when a person pressed a key that the "
            "call asked for, signed in its own way. The first key decides: 9 denies the call, any "
            "other gets the code. Later requests get a document that ends the call.",
        )
        yield ApiEndpoint(operation, self.press)

    def press(self, request: ApiRequest, path_token: str) -> ApiResponse:
        """Take a key, and return the document that follows it.

        Raises:
            NotFound: the provider did not send this, or not for a call of this service.
            StoreUnavailable: the provider tries again, or ends the call.
        """
        callback = received_callback(request, self.public_url, path_token)
        call_id, key = parse_signed(self.provider.parse_key, callback)
        pressed = self.store.press_key(call_id, key) if key else _NO_KEY
        # As of an answer, a refusal does not say whether the call is a live test.
        if pressed.speech is None or pressed.speech.is_live_test:
            self.capture.save(call_id, captured_answer(callback, pressed.outcome, is_key=True))
        return ApiResponse(self._document(call_id, pressed), content_type=XML)

    def _document(self, call_id: str, pressed: KeyPress) -> bytes:
        """Return the document that speaks, or one that ends the call without a word."""
        if pressed.speech is None:
            _LOG.warning("call.not_spoken", call=call_id, outcome=pressed.outcome)
            return self.provider.build_document(None)
        return self.documents.with_code(self.provider, call_id, pressed.speech)
