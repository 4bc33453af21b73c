"""The store's values about what a call speaks, and the keys that are pressed during it."""

from enum import StrEnum

from msgspec import Struct

from otpvoice.core.speech import Gate


class CallSpeech(Struct, frozen=True):
    """What a live call is to speak, still encrypted."""

    verification_id: str
    client: str
    encrypted_speech: bytes
    route: str
    locale: str
    gate: Gate | None = None
    """The call is to speak its prompt; the code only after a key."""
    is_live_test: bool = False
    """The call's exchanges with the provider are captured."""
    encrypted_transaction: bytes = b""
    """Empty if the code authorises no payment."""


class SpeechRefusal(StrEnum):
    """Why a call is to speak nothing."""

    NO_CALL = "no_call"
    NOT_LIVE = "not_live"
    """The call was not sent, has ended, or was answered too late."""
    FETCHED = "fetched"
    """Its speech was fetched before."""
    CLOSED = "closed"
    """Its verification has ended."""


class KeyOutcome(StrEnum):
    """What a key that was pressed during a call leads to."""

    SPEAK = "speak"
    """The call is to speak the code."""
    DENIED = "denied"
    """The person did not ask for the call: its verification has ended, the number is blocked."""
    NO_CALL = "no_call"
    NOT_ASKED = "not_asked"
    """The call asks for no key, or it is none that telephones have."""
    PRESSED = "pressed"
    """A key came before."""
    NOT_LIVE = "not_live"
    CLOSED = "closed"
    """Its verification has ended; or the key denies a call whose code was accepted."""


class KeyPress(Struct, frozen=True):
    """The outcome of a key."""

    outcome: KeyOutcome
    speech: CallSpeech | None = None
    """What the call is to speak, if it is to speak the code."""
