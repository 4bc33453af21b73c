"""The settings of an account with Plivo."""

from collections.abc import Iterator
from typing import Annotated, Final

from otpvoice import setting_types as types
from otpvoice.sections import FieldProblem, TextProviderSection

_AUTH_ID: Final = types.FieldType("4 to 40 letters and digits", pattern="[A-Za-z0-9]{4,40}")


class PlivoSettings(TextProviderSection, frozen=True, kw_only=True):
    """An account with Plivo."""

    auth_id: Annotated[str, _AUTH_ID]
    """Of the account or subaccount that places the calls."""
    auth_token: tuple[Annotated[str, types.SECRET], ...]
    """The first one authenticates requests; any of them verifies callbacks."""
    base_url: Annotated[str, types.BASE_URL] = "https://api.plivo.com/v1/"

    def problems(self) -> Iterator[FieldProblem]:
        """Yield what contradicts another field."""
        yield from super().problems()
        if not self.auth_token:
            yield "auth_token", "is missing: requests and callbacks are authenticated with it"

    def production_problems(self, table: str) -> Iterator[FieldProblem]:
        """Yield what is not fit for production."""
        del table
        if not self.base_url.startswith("https://"):
            yield "base_url", "production needs an https:// URL, because the token travels over it"
