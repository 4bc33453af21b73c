"""What an adapter needs of the service around it, and the public addresses about its calls."""

import re
from dataclasses import dataclass, field
from typing import Final

from otpvoice.core.keys import CallTokens

_CALL_ID: Final = re.compile(r"call_[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class CallAddresses:
    """The public addresses of this service for the requests of one provider about its calls.

    They carry the id of the call in ``call``, so that a request always finds its call.
    """

    public_url: str
    provider: str
    """Its name in the settings."""
    tokens: CallTokens = field(repr=False)

    def answer(self, call_id: str) -> str:
        """Return the address of the document that the call speaks when it is answered."""
        path = f"calls/{self.provider}/{self.tokens.issue(call_id)}"
        return f"{self.public_url}/{path}?call={call_id}"

    def key(self, call_id: str) -> str:
        """Return the address of the document that follows a pressed key."""
        path = f"calls/{self.provider}/{self.tokens.issue(_for_key(call_id))}/key"
        return f"{self.public_url}/{path}?call={call_id}"

    def callback(self, call_id: str) -> str:
        """Return the address for the provider's messages about the call."""
        return f"{self.public_url}/webhooks/{self.provider}?call={call_id}"

    def is_answer(self, call_id: str, token: str) -> bool:
        """Return whether the token in an address is the one of this call."""
        return self.tokens.is_valid(call_id, token)

    def is_key(self, call_id: str, token: str) -> bool:
        """Return whether the token in an address for pressed keys is the one of this call."""
        return self.tokens.is_valid(_for_key(call_id), token)


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """What an adapter needs of the service around it."""

    name: str
    """The provider's name in the settings."""
    public_url: str
    """The address of this service, without a slash at its end."""
    connections: int
    """Requests at the same time, at most."""
    region: str | None
    """Of numbers without a calling code (ISO 3166); None if several are possible."""
    call_tokens: CallTokens

    @property
    def webhook_url(self) -> str:
        """The public address of the provider's webhook, without a path token."""
        return f"{self.public_url}/webhooks/{self.name}"

    @property
    def addresses(self) -> CallAddresses:
        """The public addresses about single calls."""
        return CallAddresses(self.public_url, self.name, self.call_tokens)


def is_call_id(text: str) -> bool:
    """Return whether ``text`` has the form of this service's ids of calls."""
    return bool(_CALL_ID.fullmatch(text))


def _for_key(call_id: str) -> str:
    """Return what the token in an address for pressed keys is issued for: no id of a call."""
    return f"{call_id} key"
