"""One account with Plivo: its addresses and credentials."""

import base64
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account or subaccount."""

    auth_id: str
    auth_token: str = field(repr=False)
    base_url: str = "https://api.plivo.com/v1/"

    def url(self, path: str = "") -> str:
        """Return the address of a path below the account, query string included."""
        return f"{self.base_url.rstrip('/')}/Account/{self.auth_id}/{path}"

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request."""
        pair = f"{self.auth_id}:{self.auth_token}".encode()
        credentials = base64.b64encode(pair).decode()
        return {"Accept": "application/json", "Authorization": f"Basic {credentials}"}
