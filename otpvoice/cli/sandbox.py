"""``otpvoice sandbox``: the provider's simulator, with the flows of the service's settings."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from otpvoice import logs
from otpvoice.cli.gunicorn import GunicornLogger
from otpvoice.core.speech import DEFAULT_FLOW, Flow
from otpvoice.sandbox import SandboxConfig, Webhook
from otpvoice.sandbox import serve as serve_sandbox
from otpvoice.settings import SettingsError, load_flows


def _parse_flow_texts(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """Read each ``ID=TEXT``; the default text is spoken where ``=TEXT`` is left out."""
    texts: dict[str, str] = {}
    for flow_id, _, text in (each.partition("=") for each in given):
        if not (flow_id.isascii() and flow_id.isdigit()):
            raise click.BadParameter(f"{flow_id!r} is not the id of a flow, which is digits only")
        if texts.setdefault(flow_id, text) != text:
            raise click.BadParameter(f"flow {flow_id} is given two texts")
        texts[flow_id] = text
    return texts


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8100, show_default=True, help="Port to listen on.")
@click.option(
    "--token",
    default="sandbox-token",
    envvar="SANDBOX_TOKEN",
    show_default=True,
    show_envvar=True,
    help="The API token it takes.",
)
@click.option("--webhook", default="", help="Where callbacks go: the service's webhook address.")
@click.option(
    "--secret",
    default="",
    envvar="SANDBOX_SECRET",
    show_envvar=True,
    help="The webhook's secret, sent as a Bearer credential.",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="OTPVOICE_CONFIG",
    show_envvar=True,
    help="The service's settings: speak the flows in them, of [provider] and of clients. "
    "Nothing else is read.",
)
@click.option(
    "--flow",
    "texts",
    metavar="ID[=TEXT]",
    multiple=True,
    callback=_parse_flow_texts,
    help="Speak this text as flow ID; may be repeated, and overrides --config.",
)
@click.option(
    "--ring", "ring_seconds", default=3.0, show_default=True, help="Seconds that a phone rings."
)
@click.option(
    "--talk", "talk_seconds", default=6.0, show_default=True, help="Seconds of a conversation."
)
@click.option("--framed-by", default="", help="Origin whose pages may show this one in a frame.")
def sandbox(
    *,
    host: str,
    port: int,
    webhook: str,
    secret: str,
    config: Path | None,
    texts: dict[str, str],
    **account: Any,
) -> None:
    """Simulate the telephone provider: no account, no money and no phone are needed.

    In a browser, its page shows phones that ring, are answered and speak. Without --config and
    --flow there are the flows 24 and 220 (English) and 25 (Hindi).
    """
    hooks = {"1": Webhook(uri=webhook, secret=secret)} if webhook else {}
    try:
        sandbox_config = SandboxConfig(
            webhooks=hooks,
            subscription="1" if hooks else None,
            **_flows(config, texts),
            **account,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    known = ", ".join(sorted(sandbox_config.flows, key=int))
    with suppress(OSError):  # as with a log line, a terminal that is gone must not end it
        page = f"its page: http://{host}:{port}/"
        click.echo(f"The sandbox speaks the flows {known}; {page}", err=True)
    logs.configure("warning")
    serve_sandbox(sandbox_config, host, port, GunicornLogger)


def _flows(config: Path | None, texts: dict[str, str]) -> dict[str, Any]:
    """Return ``flows`` and ``languages`` for the sandbox; nothing if none are configured."""
    if config is None:
        return {"flows": texts} if texts else {}
    try:
        configured = load_flows({**os.environ, "OTPVOICE_CONFIG": str(config)})
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    flows, languages = merge_flows(configured)
    return {"flows": flows | texts, "languages": languages}


def merge_flows(
    configured: Mapping[str, Mapping[str, Flow]],
) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the provider's account has for these settings: texts and languages by flow id.

    An id may stand at several places, as a flow has one text and one language in the portal: the
    first text and the first language tag count.

    Args:
        configured: flows by language tag, by the dotted name of their setting.

    Raises:
        click.ClickException: two places give one flow different texts.
    """
    texts: dict[str, str] = {}
    languages: dict[str, str] = {}
    sources: dict[str, str] = {}
    for name, key, flow in _iterate_flows(configured):
        if flow.text and texts.get(flow.id, "") not in {"", flow.text}:
            raise click.ClickException(
                f"flow {flow.id} has two texts, in {sources[flow.id]} and {name}: in the "
                "provider's portal a flow has one. Give one of them another id."
            )
        if flow.text:
            sources.setdefault(flow.id, name)
        texts[flow.id] = texts.get(flow.id) or flow.text
        if key != DEFAULT_FLOW:
            languages.setdefault(flow.id, key)
    return texts, languages


def _iterate_flows(configured: Mapping[str, Mapping[str, Flow]]) -> Iterator[tuple[str, str, Flow]]:
    for setting, flows in configured.items():
        for key, flow in flows.items():
            yield f"{setting}.{key}", key, flow
