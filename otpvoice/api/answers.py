"""``/calls/<provider>/<token>``: what an answered call speaks, for providers that fetch it.

The code is decrypted here and nowhere else in the API. It is returned once, while the call is live,
to a request that the provider signed, at an address that only the provider was given. Every other
authentic request gets a document that ends the call.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from werkzeug.exceptions import RequestEntityTooLarge

from otpvoice import logs
from otpvoice.api.application import ApiEndpoint
from otpvoice.api.openapi import Operation, ResponseSpec
from otpvoice.api.request import ApiRequest
from otpvoice.api.response import ApiResponse
from otpvoice.api.webhooks import received_callback
from otpvoice.core.errors import NotFound, StoreUnavailable
from otpvoice.core.keys import DecryptionError, KeyRing, decrypt_speech
from otpvoice.providers.base import (
    AnsweringProvider,
    CallbackAuthError,
    Speech,
    UnspeakableError,
)
from otpvoice.providers.exchange_capture import CapturedAnswer, ExchangeCapture
from otpvoice.providers.routes import Route
from otpvoice.store.models import CallSpeech, SpeechRefusal
from otpvoice.store.redis_store import RedisStore

_LOG: Final = structlog.get_logger(__name__)
_XML: Final = "application/xml"
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class AnswerViews:
    """The view that returns the documents of one provider's calls."""

    name: str
    """The provider's name in the settings."""
    provider: AnsweringProvider
    store: RedisStore
    ring: KeyRing
    routes: Mapping[str, Route]
    public_url: str
    """The address of the API as the provider knows it."""
    capture: ExchangeCapture

    def endpoints(self) -> Iterator[ApiEndpoint]:
        """Yield the endpoint."""
        operation = Operation(
            name=f"answer_call_of_{self.name.replace('-', '_')}",
            method="post",
            path=f"/calls/{self.name}/{{path_token}}",
            tag="callbacks",
            summary="Return what an answered call speaks",
            description="The provider sends this request when the call is answered, signed in its "
            "own way. A call gets its speech once and while it is live; later requests get a "
            "document that ends the call.",
            accepts=(_FORM,),
            responses=(
                ResponseSpec(200, "The document, in the provider's own XML.", media_types=(_XML,)),
            ),
            errors=(NotFound, RequestEntityTooLarge, StoreUnavailable),
        )
        yield ApiEndpoint(operation, self.answer)

    def answer(self, request: ApiRequest, path_token: str) -> ApiResponse:
        """Return the document of a call.

        Raises:
            NotFound: the provider did not send this, or not for a call of this service.
            StoreUnavailable: the provider tries again, or ends the call.
        """
        callback = received_callback(request, self.public_url, path_token)
        try:
            call_id = self.provider.parse_answer(callback)
        except CallbackAuthError as error:
            _LOG.warning("callback.unauthorized")
            raise NotFound("There is no such call.") from error
        found = self.store.speech_of_live_call(call_id)
        # A refusal does not say whether it is a live test; the store keeps nothing of other calls.
        if isinstance(found, SpeechRefusal) or found.is_live_test:
            self.capture.save(
                call_id,
                CapturedAnswer(
                    method=request.method,
                    content_type=request.header("Content-Type"),
                    headers=(*callback.headers,),
                    body=callback.body,
                    outcome=found if isinstance(found, SpeechRefusal) else "found",
                ),
            )
        return ApiResponse(self._document(call_id, found), content_type=_XML)

    def _document(self, call_id: str, found: CallSpeech | SpeechRefusal) -> bytes:
        """Return the document that speaks, or one that ends the call without a word."""
        if isinstance(found, SpeechRefusal):
            _LOG.warning("call.not_spoken", call=call_id, outcome=found)
            return self.provider.build_document(None)
        try:
            document = self.provider.build_document(self._decrypt(found))
        except (DecryptionError, UnspeakableError) as error:
            _LOG.error(
                "call.unspeakable",
                call=call_id,
                verification=found.verification_id,
                **logs.describe(error),
            )
            return self.provider.build_document(None)
        _LOG.info("call.spoken", call=call_id, verification=found.verification_id)
        return document

    def _decrypt(self, found: CallSpeech) -> Speech:
        """Return what a call speaks, chosen as the dialer chose it."""
        route = self.routes.get(found.route)
        if route is None or route.provider_name != self.name:
            raise UnspeakableError(f"route {found.route} is not one of {self.name}")
        locale, flow = route.flows.choose(found.client, found.locale)
        if not flow.text:
            raise UnspeakableError(f"no text for flow {locale} of client {found.client}")
        code, name = decrypt_speech(self.ring, found.verification_id, found.encrypted_speech)
        variables = route.flows.variables(found.client)
        return Speech(locale, flow.text, name, code, variables=variables)
