"""The settings of an account with Plivo."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Final

from msgspec import Meta

from otpvoice import setting_types as types
from otpvoice.core.speech import Flow
from otpvoice.sections import FieldProblem, ProviderSection, Seconds, Texts, Voices

_AUTH_ID: Final = types.FieldType("4 to 40 letters and digits", pattern="[A-Za-z0-9]{4,40}")


class PlivoSettings(ProviderSection, frozen=True, kw_only=True):
    """An account with Plivo."""

    auth_id: Annotated[str, _AUTH_ID]
    """Of the account or subaccount that places the calls."""
    auth_token: tuple[Annotated[str, types.SECRET], ...]
    """The first one authenticates requests; any of them verifies callbacks."""
    base_url: Annotated[str, types.BASE_URL] = "https://api.plivo.com/v1/"
    texts: Texts
    """By language tag in lower case; one is ``default``."""
    voices: Voices = MappingProxyType({})
    """By language tag in lower case: Plivo's names."""
    ring_timeout: Annotated[Seconds, Meta(ge=5, le=120)] = 45
    time_limit: Annotated[Seconds, Meta(ge=10, le=600)] = 60

    def spoken_flows(self) -> Mapping[str, Flow]:
        """Return the texts as flows without an id of the provider."""
        return {tag: Flow("", text) for tag, text in self.texts.items()}

    def max_duration_s(self) -> int:
        """Return after how many seconds of conversation the provider ends a call."""
        return self.time_limit

    def problems(self) -> Iterator[FieldProblem]:
        """Yield what contradicts another field."""
        if not self.auth_token:
            yield "auth_token", "is missing: requests and callbacks are authenticated with it"

    def production_problems(self, table: str) -> Iterator[FieldProblem]:
        """Yield what is not fit for production."""
        del table
        if not self.base_url.startswith("https://"):
            yield "base_url", "production needs an https:// URL, because the token travels over it"
