"""The settings of an account with Mobtexting."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Literal

from msgspec import Meta

from otpvoice import setting_types as types
from otpvoice.core.speech import CodeFormat, Flow
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.sections import FieldProblem, Positive, ProviderSection

_MAX_ATTEMPT_S: Final = 60
"""The longest that the provider tries to reach the user in one attempt."""
_MAX_CONVERSATION_AND_CALLBACK_S: Final = 105
"""The longest from the end of the ringing to the callback."""


class MobtextingSettings(ProviderSection, frozen=True, kw_only=True):
    """An account with Mobtexting."""

    modes: ClassVar[tuple[str, ...]] = (*Mode,)
    duration_setting: ClassVar[str] = "c2c_duration"
    base_url: Annotated[str, types.BASE_URL] = "https://portal.mobtexting.com/api/v2/"
    """With a slash at its end."""
    token: Annotated[str, types.SECRET]
    webhook_id: str = ""
    webhook_secret: tuple[Annotated[str, types.SECRET], ...] = ()
    webhook_path_token: tuple[Annotated[str, types.PATH_TOKEN], ...] = ()
    validation_key: Annotated[str, types.OPTIONAL_SECRET] = ""
    flows: types.Flows
    """By language tag in lower case; one is ``default``."""
    audio: str = ""
    campaign: str = "otp"
    interval: Literal[0, 5, 15, 30, 45, 60] = 0
    """Minutes."""
    otp_format: CodeFormat = CodeFormat.COMMA
    timezone: Annotated[str, types.ZONE] = "Asia/Kolkata"
    status_words: types.StatusWords = MappingProxyType({})
    c2c_attempts: Annotated[int, Meta(ge=0, le=2)] = 0
    c2c_duration: Positive = 1
    """Minutes."""

    def spoken_flows(self) -> Mapping[str, Flow]:
        """Return the flows by language tag; one is ``default``."""
        return self.flows

    def spelling(self) -> CodeFormat:
        """Return how the code is written for the voice."""
        return self.otp_format

    def max_call_s(self) -> int:
        """Return after how many seconds a call's result is due: its end and the callback."""
        return _MAX_ATTEMPT_S * (1 + self.c2c_attempts) + _MAX_CONVERSATION_AND_CALLBACK_S

    def max_duration_s(self) -> int:
        """Return after how many seconds of conversation the provider ends a call."""
        return self.c2c_duration * 60

    @property
    def has_webhook_secret(self) -> bool:
        """Whether callbacks can authenticate."""
        return bool(self.webhook_secret or self.webhook_path_token)

    def production_problems(self, table: str) -> Iterator[FieldProblem]:
        """Yield what is not fit for production."""
        if not self.has_webhook_secret:
            text = (
                f"production needs it, or {table}.webhook_path_token: every callback would be 401"
            )
            yield "webhook_secret", text
        if not self.base_url.startswith("https://"):
            text = "because codes travel over it; to use the sandbox, set server.production = false"
            yield "base_url", f"production needs an https:// URL, {text}"

    def warnings(self, table: str) -> Iterator[str]:
        """Yield what is allowed but probably not intended."""
        if not self.has_webhook_secret:
            yield (
                f"neither {table}.webhook_secret nor {table}.webhook_path_token is set: "
                "every callback will be 401"
            )

    def speech_warnings(self, table: str) -> Iterator[str]:
        """Yield why a call might not speak its flow."""
        if self.audio:
            yield (
                f"Calls by obd play the sound of {table}.audio instead of the flow, so neither the "
                f"code nor the name is spoken. Clear {table}.audio, or remove the routes by obd."
            )
