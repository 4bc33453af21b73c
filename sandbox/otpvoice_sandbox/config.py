"""Configuration of the simulated account. Every time is in real seconds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal

Route = Literal["obd", "c2c", "twiml", "plivo"]

MAX_SECONDS: Final = 86400
WEB_URL: Final = re.compile(r"https?://\S+")
_ORIGIN: Final = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")

ENGLISH_TEXT: Final = "Hello {Name}, your otp for login is {otp}"
"""The flow of the vendor's own example."""
HINDI_TEXT: Final = "एक्मे पे से आपका लॉगिन कोड, {Name} के लिए। {otp}। फिर से: {otp}। एक बार और: {otp}।"
PROMPT: Final = "Your login code. To hear it, press 1. If you did not ask for it, press 9."
"""The default prompt of a flow that asks for a key."""
_DEFAULT_FLOWS: Final[Mapping[str, str]] = {
    "24": ENGLISH_TEXT,
    "25": HINDI_TEXT,
    "220": ENGLISH_TEXT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyStyle:
    """The simulator's choice where the vendor's documents allow more than one reading."""

    obd_reply: Literal["older", "newer"] = "older"
    """The format of the reply to an OBD request; ids of the older format end in ``:1``."""
    c2c_reply: Literal["with_id", "bare"] = "with_id"
    """Whether the reply to a C2C request contains a ``callId``."""
    c2c_mid: Literal["dropped", "echoed"] = "dropped"
    """Whether a C2C callback contains the ``mid`` of its request."""
    telnyx_sid: Literal["left_out", "sent"] = "left_out"
    """Whether Telnyx's reply contains the id of the call."""
    plivo_call_uuid: Literal["same", "other"] = "same"
    """Whether the id of a call to Plivo is the id of its request."""
    refusals: Literal["http", "in_body"] = "http"
    """Whether a rejection has its own HTTP status, or HTTP 200 and the status only in the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackTemplate:
    """A callback that the operator composes in the portal (mobtexting.md, section 3).

    ``{{id}}``, ``{{to}}`` (the called number), ``{{status}}`` and ``{{duration}}`` are replaced in
    the members and in the webhook's URI.
    """

    method: Literal["GET", "POST", "PUT"] = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    encoding: Literal["json", "form"] = "json"
    members: Mapping[str, str] = field(default_factory=dict)
    """The body. A GET has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An endpoint that receives callbacks.

    Raises:
        ValueError: ``uri`` is not an http or https URL.
    """

    uri: str = field(repr=False)
    secret: str = field(default="", repr=False)
    """Sent as ``Authorization: Bearer``; empty: the header is left out."""
    template: CallbackTemplate | None = None

    def __post_init__(self) -> None:
        if not WEB_URL.fullmatch(self.uri):
            raise ValueError("webhook: must be an http or https URL")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """One account with the simulated vendor.

    Raises:
        ValueError: the token is empty, a flow id is not a number, the subscription names an
            unknown webhook, ``framed_by`` is not an origin, or a time is not 0 to 86400 seconds.
    """

    token: str = field(default="sandbox-token", repr=False)
    flows: Mapping[str, str] = field(default_factory=lambda: _DEFAULT_FLOWS)
    """Flow id → the text it speaks; empty: a default text in the flow's language."""
    languages: Mapping[str, str] = field(default_factory=dict)
    """Flow id → the language tag of its voice; absent: the language of the text's script."""
    balance: str = "1000.0000"
    """The balance of the account. Calls do not reduce it."""
    numbers: frozenset[str] | None = None
    """The numbers that the account rents, digits only. A request from another one is refused by
    vendors that know their numbers. None: every number is the account's."""
    verified_numbers: frozenset[str] = frozenset()
    """Numbers of others that the account has verified, digits only."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """Flow id → what it speaks to ask for a key before its text; empty: a default prompt. The
    others ask for none."""
    sounds: frozenset[str] = frozenset()
    """Ids of uploaded sounds, for ``audio``."""
    webhooks: Mapping[str, Webhook] = field(default_factory=dict)
    subscription: str | None = None
    """The webhook of calls that name none."""
    framed_by: str = ""
    """Origin whose pages may embed the sandbox's page, as in ``http://127.0.0.1:8080``."""
    reply_style: ReplyStyle = field(default_factory=ReplyStyle)

    ring_seconds: float = 3.0
    """How long a phone rings."""
    talk_seconds: float = 6.0
    """Maximum real length of a conversation. The reported ``duration`` is independent of it: the
    time that the text needs, so that a fast sandbox reports believable conversations."""
    redial_seconds: float = 3.0
    """Pause before C2C redials an unanswered phone."""
    minute_seconds: float = 60.0
    """Real length of a minute of an OBD ``interval``."""
    callback_retry_seconds: float = 1800.0
    """Pause before an unconfirmed callback is sent again."""
    gets_per_minute: int = 1000
    plivo_interval_seconds: float = 0.0
    """Time between two calls that Plivo starts; further requests wait in its queue."""

    def __post_init__(self) -> None:
        if not self.token:
            raise ValueError("token: must not be empty, because then every request is authorized")
        for flow_id in self.flows:
            if not (flow_id.isascii() and flow_id.isdigit()):
                raise ValueError(f"flows: the id of a flow is digits, not {flow_id!r}")
        if self.subscription is not None and self.subscription not in self.webhooks:
            raise ValueError("subscription: no such webhook")
        if self.framed_by and not _ORIGIN.fullmatch(self.framed_by):
            raise ValueError("framed_by: must be an origin, as http://127.0.0.1:8080")
        for name in (each.name for each in fields(self) if each.name.endswith("_seconds")):
            if not 0 <= getattr(self, name) <= MAX_SECONDS:  # nan neither
                raise ValueError(f"{name}: must be 0 to {MAX_SECONDS} seconds")

    def rents(self, number: str) -> bool:
        """Return whether the account rents this number, given with or without ``+``."""
        return self.numbers is None or number.removeprefix("+") in self.numbers

    def may_call_from(self, number: str) -> bool:
        """Return whether the account may call from this number."""
        return self.rents(number) or number.removeprefix("+") in self.verified_numbers

    def flow_text(self, flow_id: str) -> str:
        """Return the text of a flow, with its placeholders.

        Raises:
            KeyError: the account has no such flow.
        """
        language = self.languages.get(flow_id, "").partition("-")[0].lower()
        return self.flows[flow_id] or (HINDI_TEXT if language == "hi" else ENGLISH_TEXT)
