"""Ports for telephone companies that fetch what a call speaks."""

from typing import Protocol, runtime_checkable

from otpvoice.providers.base import Callback, Provider, Speech


@runtime_checkable
class GatingProvider(Provider, Protocol):
    """A provider that can ask for a key, and then fetches the document that speaks the code."""

    def parse_key(self, callback: Callback) -> tuple[str, str]:
        """Authenticate the report of one key, or else none; return the call's id and the key.

        Raises:
            CallbackAuthError: it was not sent by the provider, or not for a call of this service.
        """
        ...

    def build_document(self, speech: Speech | None) -> bytes:
        """Return the document that speaks the code, in XML; None ends the call without a word.

        Raises:
            UnspeakableError: the provider cannot speak the text.
        """
        ...


@runtime_checkable
class AnsweringProvider(GatingProvider, Protocol):
    """A provider that fetches what a call speaks when the call is answered."""

    def parse_answer(self, callback: Callback) -> str:
        """Authenticate the request for a call's document, and return the id of the call.

        Raises:
            CallbackAuthError: it was not sent by the provider, or not for a call of this service.
        """
        ...

    def build_prompt(self, call_id: str, speech: Speech) -> bytes:
        """Return the document that speaks the prompt and asks for a key, without the code.

        Raises:
            UnspeakableError: the provider cannot speak the prompt.
        """
        ...
