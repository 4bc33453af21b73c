"""What the calls of one provider speak, as the documents that the provider fetches.

The code is decrypted here and nowhere else in the API.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import structlog

from otpvoice import logs
from otpvoice.core.keys import DecryptionError, KeyRing, decrypt_speech, decrypt_transaction
from otpvoice.core.transactions import spoken_variables
from otpvoice.providers.answering import AnsweringProvider, GatingProvider
from otpvoice.providers.base import Speech, UnspeakableError
from otpvoice.providers.routes import Route
from otpvoice.store.redis_store import RedisStore
from otpvoice.store.speech_models import CallSpeech

_LOG: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CallDocuments:
    """Makes documents of what the store says about a provider's calls."""

    provider_name: str
    """The provider's name in the settings."""
    ring: KeyRing
    routes: Mapping[str, Route]
    store: RedisStore

    def with_code(self, provider: GatingProvider, call_id: str, found: CallSpeech) -> bytes:
        """Return the document that speaks the code; one that ends the call if it is unspeakable.

        Raises:
            StoreUnavailable: it is unspeakable, and the store could not keep that.
        """
        try:
            document = provider.build_document(self._speech(found))
        except (DecryptionError, UnspeakableError) as error:
            _log_unspeakable(call_id, found, error)
            self.store.mark_unspoken(call_id)
            return provider.build_document(None)
        _LOG.info("call.spoken", call=call_id, verification=found.verification_id)
        return document

    def with_prompt(self, provider: AnsweringProvider, call_id: str, found: CallSpeech) -> bytes:
        """Return the document that asks for a key; one that ends the call if it is unspeakable."""
        try:
            speech = self._speech(found)
            document = provider.build_prompt(call_id, replace(speech, text="", code=""))
        except (DecryptionError, UnspeakableError) as error:
            _log_unspeakable(call_id, found, error)
            return provider.build_document(None)
        _LOG.info("call.prompted", call=call_id, verification=found.verification_id)
        return document

    def _speech(self, found: CallSpeech) -> Speech:
        """Return what a call speaks. Its flow is chosen as the dialer chose it.

        Raises:
            DecryptionError: the key ring lacks the key of the record.
            UnspeakableError: the settings of this process lack the text.
        """
        route = self.routes.get(found.route)
        if route is None or route.provider_name != self.provider_name:
            raise UnspeakableError(f"route {found.route} is not one of {self.provider_name}")
        locale, flow = route.flows.choose(found.client, found.locale)
        if not flow.text:
            raise UnspeakableError(f"no text for flow {locale} of client {found.client}")
        ring, of = self.ring, found.verification_id
        code, name = decrypt_speech(ring, of, found.encrypted_speech)
        paid = decrypt_transaction(ring, of, found.encrypted_transaction)
        variables = route.flows.variables(found.client) | spoken_variables(paid, locale)
        return Speech(locale, flow.text, name, code, flow.prompt, variables)


def _log_unspeakable(call_id: str, found: CallSpeech, error: Exception) -> None:
    _LOG.error(
        "call.unspeakable",
        call=call_id,
        verification=found.verification_id,
        **logs.describe(error),
    )
