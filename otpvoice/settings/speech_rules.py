"""Rules between what providers and clients speak. Every route has its provider."""

from collections.abc import Iterator, Mapping

from otpvoice.core.speech import DEFAULT_FLOW, Flow, choose_flow
from otpvoice.core.texts import BRAND, speaks
from otpvoice.sections import FieldProblem, ProviderSection, TextProviderSection
from otpvoice.settings.routing import client_flows, default_provider
from otpvoice.settings.schema import Settings


def speech_errors(settings: Settings) -> Iterator[FieldProblem]:
    """Yield what a client cannot speak."""
    if isinstance(default_provider(settings), TextProviderSection):
        for name, client in settings.clients.items():
            if client.flows:
                detail = "the provider of the first route speaks texts. Set texts instead"
                yield f"clients.{name}.flows", f"has no use: {detail}"
    for table, provider in settings.provider_tables().items():
        for name, client in settings.clients.items():
            owner, flows = _flows_of(settings, table, provider, name)
            speaking = [
                tag for tag, flow in flows.items() if speaks(flow.text + flow.prompt, BRAND)
            ]
            if speaking and not client.spoken_brand:
                detail = f"is missing: {owner}.{speaking[0]} speaks {{brand}}"
                yield f"clients.{name}.spoken_brand", detail


def speech_warnings(settings: Settings) -> Iterator[str]:
    """Yield what is spoken otherwise than intended, or never. One may come several times."""
    providers = settings.provider_tables().values()
    for name, client in settings.clients.items():
        if client.texts and not any(isinstance(each, TextProviderSection) for each in providers):
            yield f"clients.{name}.texts has no use: every provider has flows"
    yield from _language_warnings(settings)
    yield from _gate_warnings(settings)


def _language_warnings(settings: Settings) -> Iterator[str]:
    """Yield each language of a further provider that no call has.

    A call has the language that its client's own flows have for the request.
    """
    spoken: dict[str, set[str]] = {}
    tables: dict[str, Mapping[str, Flow]] = {}
    first = default_provider(settings)
    for table, provider in settings.provider_tables().items():
        for name in settings.clients:
            languages = client_flows(settings, first).get(name, first.spoken_flows())
            owner, flows = _flows_of(settings, table, provider, name)
            tables[owner] = flows
            spoken.setdefault(owner, {DEFAULT_FLOW}).update(
                choose_flow(tag, flows)[0] for tag in languages
            )
    for owner, flows in tables.items():
        for tag in sorted(flows.keys() - spoken[owner]):
            yield f"{owner}.{tag} is never spoken: no client's own flows have this language"


def _gate_warnings(settings: Settings) -> Iterator[str]:
    """Yield each language whose key gate the next call by another provider does not have."""
    for client in ("", *settings.clients):
        flows = {
            table: client_flows(settings, provider).get(client, provider.spoken_flows())
            for table, provider in settings.provider_tables().items()
        }
        for tag in sorted({tag for each in flows.values() for tag in each}):
            gates = {table: choose_flow(tag, each)[1].gate for table, each in flows.items()}
            gated, others = (
                [table for table in gates if gates[table] is is_gated] for is_gated in (True, False)
            )
            if gated and others:
                yield (
                    f"the calls of {gated[0]} have a key gate for {tag}, those of {others[0]} have "
                    "none: a redial by that provider speaks the code to a mailbox"
                )


def _flows_of(
    settings: Settings, table: str, provider: ProviderSection, client: str
) -> tuple[str, Mapping[str, Flow]]:
    """Return what the calls of a client speak by a provider, and the name of its table."""
    kind = "texts" if isinstance(provider, TextProviderSection) else "flows"
    own = client_flows(settings, provider)
    if client in own:
        return f"clients.{client}.{kind}", own[client]
    return f"{table}.{kind}", provider.spoken_flows()
