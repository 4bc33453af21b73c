"""The settings and their defaults.

``config/otpvoice.toml`` documents every field. Durations are whole seconds.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeVar

from msgspec import Meta, Struct, structs

from otpvoice import setting_types as types
from otpvoice.core.limits import CallLimits, ClientLimits, LimitSettings, Quota
from otpvoice.core.lines import CallerLines
from otpvoice.core.phone import NumberRules
from otpvoice.core.profiles import ClientProfile, ReceiptAlgorithm
from otpvoice.core.verification import RedialReason
from otpvoice.core.written_keys import RingKey
from otpvoice.providers.mobtexting.modes import Mode
from otpvoice.providers.mobtexting.settings import MobtextingSettings
from otpvoice.sections import Positive, ProviderSection, Seconds, Section, Texts
from otpvoice.settings.hook_kinds import HookKind
from otpvoice.settings.redis import Redis
from otpvoice.settings.routing import client_flows, default_provider

T = TypeVar("T")

_DAY = 86400

CodeLife = Annotated[Seconds, Meta(ge=60, le=600)]
CallGap = Annotated[Seconds, Meta(ge=0, le=_DAY)]


class Server(Section, frozen=True, kw_only=True):
    """``[server]``: how the API is reached."""

    bind: Annotated[str, types.BIND] = "127.0.0.1:8000"
    public_url: Annotated[str, types.WEB_URL] = "http://127.0.0.1:8000"
    """Without a slash at its end."""
    cors_origins: tuple[Annotated[str, types.ORIGIN], ...] = ()
    production: bool = False
    threads: Positive = 16
    workers: Positive = 1
    worker: Literal["epoll", "gthread"] = "epoll"
    keepalive: Annotated[Seconds, Meta(ge=0, le=3600)] = 5


class Secrets(Section, frozen=True, kw_only=True):
    """``[secrets]``: the keys of the service itself."""

    keys: Annotated[tuple[Annotated[RingKey, types.NAMED_KEY], ...], Meta(min_length=1)]
    number_key: Annotated[bytes, types.KEY]
    admin_key_sha256: tuple[Annotated[str, types.KEY_HASH], ...] = ()


class Client(Section, frozen=True, kw_only=True):
    """``[clients.<name>]``: a login backend. None means the common value of another section."""

    key_sha256: Annotated[tuple[Annotated[str, types.KEY_HASH], ...], Meta(min_length=1)]
    bridge: Annotated[str, types.BRIDGE] | None = None
    bridges: types.Bridges = ()
    """Lines that take turns, instead of one ``bridge``."""
    caller_id: Annotated[str, types.CALLER_ID] | None = None
    default_name: Annotated[str, types.SPOKEN_NAME] | None = None
    flows: types.Flows | None = None
    """With the default provider, if it has flows."""
    texts: Texts | None = None
    """With every provider that speaks texts."""
    spoken_brand: Annotated[str, types.SPOKEN_BRAND] = ""
    """Who calls: fills ``{brand}`` in."""
    regions: tuple[Annotated[str, types.REGION], ...] | None = None
    ttl: CodeLife | None = None
    calls_per_client: tuple[Quota, ...] | None = None
    calls_per_day: Positive | None = None
    deliver_only: bool = False
    event_url: Annotated[str, types.EVENT_URL] = ""
    event_secret: tuple[Annotated[str, types.EVENT_SECRET], ...] = ()
    hook: HookKind | None = None
    hook_secret: tuple[Annotated[str, types.HOOK_SECRET], ...] = ()
    """Standard Webhooks secrets without the ``v1,`` that Supabase writes before them."""
    hook_texts: Literal["ignore", "call"] = "ignore"
    """What to do with a message that the identity server wants to be sent as a text message."""
    default_region: Annotated[str, types.REGION] | None = None
    """Of national numbers in requests of the identity server."""
    call_after: Annotated[Seconds, Meta(ge=0, le=300)] = 0


class Provider(MobtextingSettings, frozen=True, kw_only=True):
    """``[provider]``: the telephone company, or the first of several."""

    name: Literal["mobtexting"] = "mobtexting"
    routes: Annotated[tuple[Mode, ...], Meta(min_length=1)] = (Mode.OBD, Mode.C2C)
    """Its modes in the order in which they are tried. Each is the name of a route, too."""


class RouteSection(Section, frozen=True, kw_only=True):
    """``[routes.<name>]``: one way to place calls."""

    provider: str
    """The name of a provider."""
    mode: str = ""
    """One of the provider's; empty: its first one."""
    regions: tuple[Annotated[str, types.REGION], ...] = ()
    """The regions of the numbers that it calls; empty: all."""


class Events(Section, frozen=True, kw_only=True):
    """``[events]``: how events are delivered to clients."""

    proxy: Annotated[str, types.PROXY_URL] = ""


class Verification(Section, frozen=True, kw_only=True):
    """``[verification]``: the life of a code."""

    ttl: CodeLife = 300
    code_length: Annotated[int, Meta(ge=4, le=10)] = 6
    max_checks: Annotated[int, Meta(ge=1, le=10)] = 5
    max_redials: Annotated[int, Meta(ge=0, le=3)] = 1
    redial_after: tuple[RedialReason, ...] = tuple(RedialReason)
    """Empty: no redials."""
    callback_timeout: Annotated[Seconds, Meta(ge=5, le=600)] = 60
    min_remaining_life: Annotated[Seconds, Meta(ge=0, le=300)] = 60
    retention: Annotated[Seconds, Meta(ge=600, le=365 * _DAY)] = 7 * _DAY


class Receipts(Section, frozen=True, kw_only=True):
    """``[receipts]``: the proof of an approval for other backends."""

    algorithm: ReceiptAlgorithm = "ES256"


class Dialer(Section, frozen=True, kw_only=True):
    """``[dialer]``: the process that places calls."""

    threads: Positive = 64
    routes: tuple[str, ...] = ()
    """The order in which routes are tried; empty: see :func:`route_order`."""
    metrics_bind: Annotated[str, types.OPTIONAL_BIND] = ""


class Limits(Section, LimitSettings, frozen=True, kw_only=True):
    """``[limits]``: which numbers are called, and how often."""

    regions: tuple[Annotated[str, types.REGION], ...] = ("IN",)
    number_types: Annotated[tuple[Annotated[str, types.NUMBER_TYPE], ...], Meta(min_length=1)] = (
        "mobile",
        "fixed_line_or_mobile",
    )
    deny_prefixes: tuple[Annotated[str, types.PREFIX], ...] = ("+91140", "+91160")
    call_gap: Annotated[tuple[CallGap, ...], Meta(min_length=1)] = (60, 60, 300)
    live_calls: Positive = 200
    denial_block: Annotated[Seconds, Meta(ge=0, le=30 * _DAY)] = 3_600
    """How long a number is not called after the person denied a call; 0: it is not blocked."""


class Console(Section, frozen=True, kw_only=True):
    """``[console]``: the operators' pages."""

    price_per_call: Annotated[float, Meta(ge=0, le=1_000_000)] = 0.0
    currency: Annotated[str, types.CURRENCY] = "INR"


class TwilioVerify(Section, frozen=True, kw_only=True):
    """``[twilio_verify]``: the API of Twilio Verify, for clients with one of Twilio's SDKs."""

    enabled: bool = False


class Log(Section, frozen=True, kw_only=True):
    """``[log]``: log lines of all processes."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Settings(Struct, frozen=True, kw_only=True):
    """All settings."""

    server: Server
    redis: Redis
    secrets: Secrets
    clients: Mapping[str, Client]
    first_provider: Provider | None
    """``[provider]``; None only if there are other providers."""
    providers: Mapping[str, ProviderSection]
    routes: Mapping[str, RouteSection]
    events: Events
    verification: Verification
    receipts: Receipts
    dialer: Dialer
    limits: Limits
    console: Console
    twilio_verify: TwilioVerify
    test_numbers: types.TestNumbers
    """Each E.164 number with its fixed code. The ``repr`` hides both."""
    log: Log

    @property
    def provider(self) -> Provider:
        """``[provider]``.

        Raises:
            LookupError: there are only ``[providers.<name>]``.
        """
        if self.first_provider is None:
            raise LookupError("the settings have no [provider]")
        return self.first_provider

    def tables(self) -> dict[str, Section]:
        """Return each section by its dotted name."""
        single = {name: getattr(self, name) for name in SECTIONS if name != "provider"}
        named = {
            f"{kind}.{name}": section
            for kind in NAMED_SECTIONS
            for name, section in getattr(self, kind).items()
        }
        first = {"provider": self.first_provider} if self.first_provider else {}
        return single | first | named

    def provider_tables(self) -> dict[str, ProviderSection]:
        """Return the section of each provider by its dotted name, ``provider`` first."""
        first = {"provider": self.first_provider} if self.first_provider else {}
        return first | {f"providers.{name}": each for name, each in self.providers.items()}

    def client_profile(self, name: str) -> ClientProfile:
        """Return the client's values over the common ones. Its flows replace the common table.

        Raises:
            KeyError: there is no such client.
        """
        client, limits, provider = self.clients[name], self.limits, default_provider(self)
        return ClientProfile(
            number_rules=NumberRules(
                regions=_override(client.regions, limits.regions),
                types=limits.number_types,
                deny_prefixes=limits.deny_prefixes,
                test_numbers=self.test_numbers,
            ),
            lines=self._client_lines(client),
            default_name=_override(client.default_name, provider.default_name),
            flows=client_flows(self, provider).get(name, provider.spoken_flows()),
            ttl_s=_override(client.ttl, self.verification.ttl),
            deliver_only=client.deliver_only,
        )

    def _client_lines(self, client: Client) -> CallerLines:
        provider = default_provider(self)
        own = (client.bridge,) if client.bridge else client.bridges
        bridges = own or provider.lines().bridges
        # Of several lines, people see the one that calls.
        shown = "" if len(bridges) > 1 else _override(client.caller_id, provider.caller_id)
        return CallerLines(bridges, shown)

    def call_limits(self) -> CallLimits:
        """Return the limits, with each client's own ones."""
        clients = {
            name: ClientLimits(
                calls=_override(client.calls_per_client, self.limits.calls_per_client),
                calls_per_day=client.calls_per_day,
                deliver_only=client.deliver_only,
            )
            for name, client in self.clients.items()
        }
        common = {name: getattr(self.limits, name) for name in LimitSettings.__struct_fields__}
        return CallLimits(clients=clients, **common)


SECTIONS: Mapping[str, type[Section]] = MappingProxyType(
    {
        "provider": Provider,
        **{
            each.name: each.type for each in structs.fields(Settings) if isinstance(each.type, type)
        },
    }
)
"""The tables of single settings. Named tables and test numbers have other types."""
NAMED_SECTIONS: Final = ("clients", "providers", "routes")
"""The tables of named sections."""


def _override(own: T | None, common: T) -> T:
    return common if own is None else own
