"""One account with a vendor: addresses, credentials, and the signatures of its callbacks."""

import base64
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from urllib.parse import quote, urlencode

from otpvoice.providers.context import is_call_id
from otpvoice.providers.twiml.vendors import Vendor

_SID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.=-]{1,127}")
_MAC_DIGITS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account, and the address at which this service receives its callbacks."""

    vendor: Vendor
    id: str
    """The account's id in paths."""
    tokens: tuple[str, ...] = field(repr=False)
    """Auth tokens, secrets of API keys, or Telnyx's API keys. The first one authenticates requests
    and makes addresses; addresses made with any of them are known."""
    user: str = ""
    """The name of an API key; empty: the account itself."""
    base_url: str = ""
    """Empty: the vendor's."""
    webhook_url: str
    """Public address of the webhook, without a path token."""
    path_tokens: tuple[str, ...] = field(default=(), repr=False)
    """The first one is the last segment of the address; callbacks may have any of them."""

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request."""
        token = self.tokens[0]
        pair = f"{self.user or self.id}:{token}"
        basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        bearer = f"Bearer {token}"
        authorization = bearer if self.vendor.has_bearer_token else basic
        return {"Accept": "application/json", "Authorization": authorization}

    def calls_url(self, sid: str = "", **filters: str) -> str:
        """Return the address of all calls, or of the one with this id."""
        return self.resource_url(f"Calls/{quote(sid, safe='')}" if sid else "Calls", **filters)

    def resource_url(self, path: str, **filters: str) -> str:
        """Return the address of a resource of the account."""
        query = f"?{urlencode(filters)}" if filters else ""
        own = f"Accounts/{quote(self.id, safe='')}/{path}{self.vendor.path_suffix}{query}"
        return f"{self.root_url}/{own}"

    @property
    def root_url(self) -> str:
        """The address of the API, without a slash at its end."""
        return (self.base_url or self.vendor.base_url).rstrip("/")

    def callback_urls(self, call_id: str) -> tuple[str, ...]:
        """Return the addresses for a call's callback, for each token and path token.

        The vendor gets the first one. The address names the call, so that every callback finds it,
        and proves that this service made it: not every vendor's signature covers the address.
        """
        queries = [urlencode({"call": call_id, "mac": mac}) for mac in self._macs(call_id)]
        bases = [f"{self.webhook_url}/{quote(token, safe='')}" for token in self.path_tokens]
        return tuple(f"{base}?{query}" for base in bases or [self.webhook_url] for query in queries)

    def is_own_address(self, call_id: str, mac: str, path_token: str) -> bool:
        """Return whether the parts of a callback's address are those of :meth:`callback_urls`."""
        if not is_call_id(call_id):
            return False
        is_made_here = _equals_one(mac, self._macs(call_id))
        return is_made_here and _equals_one(path_token, self.path_tokens or ("",))

    def _macs(self, call_id: str) -> tuple[str, ...]:
        message = f"otpvoice callback of {call_id}".encode()
        digests = (hmac.new(token.encode(), message, sha256) for token in self.tokens)
        return tuple(digest.hexdigest()[:_MAC_DIGITS] for digest in digests)


def parse_sid(value: object) -> str | None:
    """Return a vendor's id of a call; None if it cannot be one."""
    return value if isinstance(value, str) and _SID.fullmatch(value) else None


def _equals_one(value: str, expected: Iterable[str]) -> bool:
    """Compare in a time that does not depend on which one is equal."""
    encoded = value.encode(errors="surrogatepass")
    return sum(hmac.compare_digest(encoded, each.encode()) for each in expected) > 0
