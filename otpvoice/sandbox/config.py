"""What the pretend company is set to. Every time is in real seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Route = Literal["obd", "c2c"]

ENGLISH_TEXT: Final = "Hello {Name}, your otp for login is {otp}"
"""The flow of the vendor's own example."""
HINDI_TEXT: Final = "नमस्ते {Name}, आपका कोड {otp} है, {otp}"
_DEFAULT_TEXTS: Final[Mapping[str, str]] = {"hi": HINDI_TEXT}
"""Language → text of a flow without one; every other language has ``HELLO``."""
_DEFAULT_FLOWS: Final[Mapping[str, str]] = {
    "24": ENGLISH_TEXT,
    "25": HINDI_TEXT,
    "220": ENGLISH_TEXT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyStyle:
    """Where the documents leave more than one reading open: which one this company follows."""

    obd_reply: Literal["older", "newer"] = "older"
    """How an accepted OBD call is confirmed; ids of the older kind end in ``:1``."""
    c2c_reply: Literal["with_id", "bare"] = "with_id"
    """Whether an accepted C2C call is confirmed with its ``callId``."""
    c2c_mid: Literal["dropped", "echoed"] = "dropped"
    """Whether a C2C callback carries the ``mid`` of its request."""
    refusals: Literal["http", "in_body"] = "http"
    """Whether a refusal has its own HTTP status, or HTTP 200 and the status only in the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackTemplate:
    """A callback composed by the operator (docs/provider.md, section 3).

    ``{{id}}``, ``{{to}}`` (the person), ``{{status}}`` and ``{{duration}}`` are filled in, in
    the members as in the webhook's URI.
    """

    method: Literal["GET", "POST", "PUT"] = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    encoding: Literal["json", "form"] = "json"
    members: Mapping[str, str] = field(default_factory=dict)
    """The body; a GET has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where callbacks go."""

    uri: str = field(repr=False)
    secret: str = field(default="", repr=False)
    """Sent as ``Authorization: Bearer``; empty: no such header."""
    template: CallbackTemplate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """One account with the pretend company.

    Raises:
        ValueError: the token is empty, the id of a flow is not a number, or the subscription names
            no webhook.
    """

    token: str = field(default="sandbox-token", repr=False)
    flows: Mapping[str, str] = field(default_factory=lambda: _DEFAULT_FLOWS)
    """Flow id → the text it speaks; empty: a default text in the flow's language."""
    languages: Mapping[str, str] = field(default_factory=dict)
    """Flow id → the language tag of its voice; absent: the language of the text's script."""
    sounds: frozenset[str] = frozenset()
    """Ids of uploaded sounds, for ``audio``."""
    webhooks: Mapping[str, Webhook] = field(default_factory=dict)
    subscription: str | None = None
    """The webhook of calls that name none."""
    framed_by: str = ""
    """Origin whose pages may show ours in a frame, as in ``http://127.0.0.1:8080``; empty: none."""
    reply_style: ReplyStyle = field(default_factory=ReplyStyle)

    ring_seconds: float = 3.0
    """How long a phone rings, whether it is then answered or not."""
    talk_seconds: float = 6.0
    """How long a conversation takes at most. The ``duration`` that is reported is another thing:
    the time the text needs, so that a fast sandbox reports believable conversations."""
    redial_seconds: float = 3.0
    """Pause before C2C dials an unanswered phone again."""
    minute_seconds: float = 60.0
    """How long a minute of an OBD ``interval`` takes."""

    callback_seconds: float = 0.0
    """From the end of a call to its callback."""
    callback_retries: int = 3
    callback_retry_seconds: float = 1800.0
    callback_timeout: float = 10.0
    callback_threads: int = 16

    gets_per_minute: int = 1000
    credits: str = "1000.0000"

    def __post_init__(self) -> None:
        if not self.token:
            raise ValueError("token: an empty one would let everybody in")
        for flow_id in self.flows:
            if not (flow_id.isascii() and flow_id.isdigit()):
                raise ValueError(f"flows: the id of a flow is digits, not {flow_id!r}")
        if self.subscription is not None and self.subscription not in self.webhooks:
            raise ValueError("subscription: no such webhook")

    def flow_text(self, flow_id: str) -> str:
        """Return the text of a flow, with its variables.

        Raises:
            KeyError: the account has no such flow.
        """
        language = primary_subtag(self.languages.get(flow_id, ""))
        return self.flows[flow_id] or _DEFAULT_TEXTS.get(language, ENGLISH_TEXT)


def primary_subtag(tag: str) -> str:
    """Return the language of a language tag in lower case: ``hi`` of ``hi-IN``."""
    return tag.partition("-")[0].lower()
