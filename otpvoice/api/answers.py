"""``/calls/<provider>/<token>``: what an answered call speaks, for providers that fetch it.

The code is returned once, while the call is live, to a request that the provider signed, at an
address that only the provider was given. Every other authentic request gets a document that ends
the call. A gated call gets the document that asks for a key: ``key_presses.py`` returns the code.
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
from otpvoice.providers.answering import AnsweringProvider
from otpvoice.providers.exchange_capture import ExchangeCapture
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.speech_models import CallSpeech, SpeechRefusal

_LOG: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AnswerViews:
    """The view that returns the documents of one provider's answered calls."""

    provider: AnsweringProvider
    store: RedisStore
    documents: CallDocuments
    public_url: str
    """The address of the API as the provider knows it."""
    capture: ExchangeCapture

    def endpoints(self) -> Iterator[ApiEndpoint]:
        """Yield the endpoint."""
        name = self.documents.provider_name
        operation = document_operation(
            name=f"answer_call_of_{name.replace('-', '_')}",
            path=f"/calls/{name}/{{path_token}}",
            summary="Return what an answered call speaks",
            description="The provider sends this request when the call is answered, signed in its "
            "own way. A call gets its speech once and while it is live; later requests get a "
            "document that ends the call.",
        )
        yield ApiEndpoint(operation, self.answer)

    def answer(self, request: ApiRequest, path_token: str) -> ApiResponse:
        """Return the document of a call.

        Raises:
            NotFound: the provider did not send this, or not for a call of this service.
            StoreUnavailable: the provider tries again, or ends the call.
        """
        callback = received_callback(request, self.public_url, path_token)
        call_id = parse_signed(self.provider.parse_answer, callback)
        found = self.store.speech_of_live_call(call_id)
        # A refusal does not say whether it is a live test; the store keeps nothing of other calls.
        if isinstance(found, SpeechRefusal) or found.is_live_test:
            outcome = found if isinstance(found, SpeechRefusal) else "found"
            self.capture.save(call_id, captured_answer(callback, outcome))
        return ApiResponse(self._document(call_id, found), content_type=XML)

    def _document(self, call_id: str, found: CallSpeech | SpeechRefusal) -> bytes:
        """Return the document that speaks, or one that ends the call without a word."""
        if isinstance(found, SpeechRefusal):
            _LOG.warning("call.not_spoken", call=call_id, outcome=found)
            return self.provider.build_document(None)
        if found.gate:
            return self.documents.with_prompt(self.provider, call_id, found)
        return self.documents.with_code(self.provider, call_id, found)
