"""The typed tree of all settings, with their defaults.

``config/otpvoice.toml`` says what every field does. Durations are whole seconds here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlencode

from msgspec import Meta, Struct, structs

from otpvoice.core.limits import CallLimits, ClientLimits, parse_quota, parse_ratio
from otpvoice.core.phone import NumberRules
from otpvoice.core.service import ClientProfile
from otpvoice.core.speech import CodeFormat
from otpvoice.core.verification import Route
from otpvoice.settings.types import (
    BaseUrl,
    Bind,
    Bridge,
    CallerId,
    CallQuota,
    CallRatio,
    CallRoute,
    CodeLife,
    Count,
    Currency,
    EventSecret,
    EventUrl,
    Flag,
    Flows,
    Interval,
    Key,
    KeyHash,
    LogFormat,
    LogLevel,
    NamedKey,
    NumberType,
    OptionalBind,
    OptionalSecret,
    Origin,
    OtpFormat,
    PathToken,
    Prefix,
    Price,
    ProviderName,
    ProxyUrl,
    RedisUrl,
    Region,
    Seconds,
    Secret,
    SpokenName,
    StatusWordTable,
    Text,
    WebUrl,
    Zone,
    field_type,
)

T = TypeVar("T")

_DAY = 86400

Positive = Annotated[Count, Meta(ge=1)]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file. Its ``repr`` masks what is secret."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(field.name, _masked(self, field)) for field in structs.fields(self)]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"


class Server(Section, frozen=True, kw_only=True):
    """``[server]``: how the API is reached."""

    bind: Bind = "127.0.0.1:8000"
    public_url: WebUrl = "http://127.0.0.1:8000"
    """Without a slash at its end."""
    cors_origins: tuple[Origin, ...] = ()
    production: Flag = False
    threads: Positive = 16
    workers: Positive = 1
    keepalive: Annotated[Seconds, Meta(ge=0, le=3600)] = 5
    """How long an idle connection stays open; 0: each request has a connection of its own."""


class Redis(Section, frozen=True, kw_only=True):
    """``[redis]``: the store."""

    url: RedisUrl = "redis://localhost:6379/0"
    sentinel_username: Text = ""
    sentinel_password: OptionalSecret = ""
    """Of the Sentinels themselves, if they ask for one; that of the primary is in ``url``."""

    @property
    def full_url(self) -> str:
        """``url`` with the credentials of the Sentinels, as the store takes it. A secret."""
        login = {
            "sentinel_username": self.sentinel_username,
            "sentinel_password": self.sentinel_password,
        }
        given = urlencode({name: word for name, word in login.items() if word}, quote_via=quote)
        joint = "&" if "?" in self.url else "?"
        return f"{self.url}{joint}{given}" if given else self.url


class Secrets(Section, frozen=True, kw_only=True):
    """``[secrets]``: the keys of the service itself."""

    keys: Annotated[tuple[NamedKey, ...], Meta(min_length=1)]
    """The ring: the first signs, all open."""
    number_key: Key
    admin_key_sha256: tuple[KeyHash, ...] = ()
    """Operators' keys to the console; empty: there is none."""


class Client(Section, frozen=True, kw_only=True):
    """``[clients.<name>]``: a login backend. None means what ``[provider]`` or so says."""

    key_sha256: Annotated[tuple[KeyHash, ...], Meta(min_length=1)]
    bridge: Bridge | None = None
    caller_id: CallerId | None = None
    default_name: SpokenName | None = None
    flows: Flows | None = None
    regions: tuple[Region, ...] | None = None
    ttl: CodeLife | None = None
    calls_per_client: tuple[CallQuota, ...] | None = None
    calls_per_day: Positive | None = None
    deliver_only: Flag = False
    event_url: EventUrl = ""
    """Where its events are posted; empty: it gets none."""
    event_secret: tuple[EventSecret, ...] = ()
    """Each signs."""


class Provider(Section, frozen=True, kw_only=True):
    """``[provider]``: the telephone company."""

    name: ProviderName = "mobtexting"
    base_url: BaseUrl = "https://portal.mobtexting.com/api/v2/"
    """With a slash at its end."""
    token: Secret
    bridge: Bridge
    caller_id: CallerId = ""
    routes: Annotated[tuple[CallRoute, ...], Meta(min_length=1)] = (Route.OBD, Route.C2C)
    webhook_id: Text = ""
    webhook_secret: tuple[Secret, ...] = ()
    webhook_path_token: tuple[PathToken, ...] = ()
    validation_key: OptionalSecret = ""
    flows: Flows
    """By lower-case language tag; ``default`` is among them."""
    audio: Text = ""
    campaign: Text = "otp"
    interval: Interval = 0
    """Minutes."""
    otp_format: OtpFormat = CodeFormat.COMMA
    default_name: SpokenName = "Customer"
    timezone: Zone = "Asia/Kolkata"
    status_words: StatusWordTable = MappingProxyType({})
    """Further words in which the provider reports the end of a call, each with its result."""
    c2c_attempts: Annotated[Count, Meta(ge=0, le=2)] = 0
    c2c_duration: Positive = 1
    """Minutes."""
    proxy: ProxyUrl = ""
    """Opens a tunnel for each connection to the provider; empty: connections are direct."""


class Events(Section, frozen=True, kw_only=True):
    """``[events]``: how events are delivered to clients."""

    proxy: ProxyUrl = ""
    """Opens a tunnel for each connection to an ``event_url``; empty: connections are direct."""


class Verification(Section, frozen=True, kw_only=True):
    """``[verification]``: the life of a code."""

    ttl: CodeLife = 300
    code_length: Annotated[Count, Meta(ge=4, le=10)] = 6
    max_checks: Annotated[Count, Meta(ge=1, le=10)] = 5
    max_redials: Annotated[Count, Meta(ge=0, le=3)] = 1
    callback_timeout: Annotated[Seconds, Meta(ge=5, le=600)] = 60
    min_remaining_life: Annotated[Seconds, Meta(ge=0, le=300)] = 60
    retention: Annotated[Seconds, Meta(ge=600, le=365 * _DAY)] = 7 * _DAY


class Dialer(Section, frozen=True, kw_only=True):
    """``[dialer]``: the process that places calls."""

    threads: Positive = 64
    metrics_bind: OptionalBind = ""
    """Where metrics are shown; empty: nowhere."""


class Limits(Section, frozen=True, kw_only=True):
    """``[limits]``: who is called, and how often."""

    regions: tuple[Region, ...] = ("IN",)
    number_types: Annotated[tuple[NumberType, ...], Meta(min_length=1)] = (
        "mobile",
        "fixed_line_or_mobile",
    )
    deny_prefixes: tuple[Prefix, ...] = ("+91140", "+91160")
    call_gap: Annotated[tuple[Annotated[Seconds, Meta(ge=0, le=_DAY)], ...], Meta(min_length=1)] = (
        60,
        60,
        300,
    )
    calls_per_number: tuple[CallQuota, ...] = (parse_quota("3/10m"), parse_quota("5/24h"))
    all_calls_per_number: tuple[CallQuota, ...] = (parse_quota("20/24h"),)
    pending_per_number: Annotated[Count, Meta(ge=1, le=50)] = 5
    creates_per_ip: tuple[CallQuota, ...] = (parse_quota("60/1h"),)
    creates_per_client: tuple[CallQuota, ...] = (parse_quota("600/1m"),)
    attempts_per_verification: Annotated[Count, Meta(ge=1, le=50)] = 6
    wrong_codes_per_number: tuple[CallQuota, ...] = (parse_quota("15/1h"), parse_quota("50/24h"))
    approval_clears_wrong_codes: Flag = False
    unverified_per_prefix: tuple[CallQuota, ...] = (parse_quota("5/10m"), parse_quota("20/24h"))
    calls_per_ip: tuple[CallQuota, ...] = (parse_quota("30/1h"), parse_quota("100/24h"))
    calls_per_client: tuple[CallQuota, ...] = (parse_quota("60/1m"),)
    calls_per_day: Positive = 10_000
    conversion_breaker: CallRatio = parse_ratio("15%/1h")
    wrong_code_breaker: CallRatio = parse_ratio("60%/10m")
    live_calls: Positive = 200


class Console(Section, frozen=True, kw_only=True):
    """``[console]``: what operators are shown."""

    price_per_call: Price = 0.0
    """Of each call that the provider took; 0: costs are not shown."""
    currency: Currency = "INR"


class Log(Section, frozen=True, kw_only=True):
    """``[log]``: what the processes say of themselves."""

    level: LogLevel = "info"
    format: LogFormat = "auto"


class Settings(Struct, frozen=True, kw_only=True):
    """The whole tree."""

    server: Server
    redis: Redis
    secrets: Secrets
    clients: Mapping[str, Client]
    provider: Provider
    events: Events
    verification: Verification
    dialer: Dialer
    limits: Limits
    console: Console
    test_numbers: Mapping[str, str]
    """E.164 → its fixed code. Its ``repr`` shows neither."""
    log: Log

    def client_profile(self, name: str) -> ClientProfile:
        """What holds for the client ``name``; its ``flows`` replace the common ones as a whole.

        Raises:
            KeyError: there is no such client.
        """
        client, provider, limits = self.clients[name], self.provider, self.limits
        bridge = _override(client.bridge, provider.bridge)
        return ClientProfile(
            number_rules=NumberRules(
                regions=_override(client.regions, limits.regions),
                types=limits.number_types,
                deny_prefixes=limits.deny_prefixes,
                test_numbers=self.test_numbers,
            ),
            bridge=bridge,
            caller_id=_override(client.caller_id, provider.caller_id) or f"+{bridge}",
            default_name=_override(client.default_name, provider.default_name),
            flows=_override(client.flows, provider.flows),
            ttl_s=_override(client.ttl, self.verification.ttl),
            deliver_only=client.deliver_only,
        )

    def call_limits(self) -> CallLimits:
        """The limits of calls and guesses, with what each client has of its own."""
        limits = self.limits
        return CallLimits(
            calls_per_number=limits.calls_per_number,
            all_calls_per_number=limits.all_calls_per_number,
            wrong_codes_per_number=limits.wrong_codes_per_number,
            approval_clears_wrong_codes=limits.approval_clears_wrong_codes,
            unverified_per_prefix=limits.unverified_per_prefix,
            calls_per_ip=limits.calls_per_ip,
            calls_per_day=limits.calls_per_day,
            creates_per_ip=limits.creates_per_ip,
            creates_per_client=limits.creates_per_client,
            pending_per_number=limits.pending_per_number,
            attempts_per_verification=limits.attempts_per_verification,
            clients={
                name: ClientLimits(
                    calls=_override(client.calls_per_client, limits.calls_per_client),
                    calls_per_day=client.calls_per_day,
                    deliver_only=client.deliver_only,
                )
                for name, client in self.clients.items()
            },
            conversion_breaker=limits.conversion_breaker,
            wrong_code_breaker=limits.wrong_code_breaker,
        )


SECTIONS: Mapping[str, type[Section]] = MappingProxyType(
    {
        field.name: field.type
        for field in structs.fields(Settings)
        if field.name not in {"clients", "test_numbers"}
    }
)


def _masked(section: Section, field: structs.FieldInfo) -> object:
    value = getattr(section, field.name)
    return "***" if value and field_type(field.type).is_secret else value


def _override(own: T | None, common: T) -> T:
    return common if own is None else own
