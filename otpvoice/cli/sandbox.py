"""``otpvoice sandbox``: the provider simulator, with the flows of the service's settings."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from otpvoice import logs
from otpvoice.core.speech import DEFAULT_FLOW, Flow
from otpvoice.settings import SettingsError, load_flows
from otpvoice_sandbox import SandboxConfig, Webhook
from otpvoice_sandbox import serve as serve_sandbox


def _parse_flow_texts(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Parse each ``ID=TEXT``. Without ``=TEXT``, the flow speaks a default text."""
    texts: dict[str, str] = {}
    for flow_id, _, text in (each.partition("=") for each in values):
        if not (flow_id.isascii() and flow_id.isdigit()):
            raise click.BadParameter(f"{flow_id!r} is not a flow id; use digits only")
        if texts.setdefault(flow_id, text) != text:
            raise click.BadParameter(f"flow {flow_id} has two texts; give it one")
        texts[flow_id] = text
    return texts


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8100,
    show_default=True,
    help="Port to listen on.",
)
@click.option(
    "--token",
    default="sandbox-token",
    envvar="SANDBOX_TOKEN",
    show_default=True,
    show_envvar=True,
    help="API token of the account.",
)
@click.option("--webhook", default="", help="Send callbacks to this URL, the service's webhook.")
@click.option(
    "--secret",
    default="",
    envvar="SANDBOX_SECRET",
    show_envvar=True,
    help="Send this secret of the webhook as a Bearer credential.",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="OTPVOICE_CONFIG",
    show_envvar=True,
    help="Speak the flows in this configuration file of the service, of [provider] and of clients. "
    "No other setting is read.",
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
    "--ring",
    "ring_seconds",
    default=3.0,
    show_default=True,
    help="Ring phones for this many seconds.",
)
@click.option(
    "--talk",
    "talk_seconds",
    default=6.0,
    show_default=True,
    help="End conversations after this many seconds.",
)
@click.option(
    "--framed-by", default="", help="Allow pages of this origin to embed the sandbox's page."
)
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
    """Simulate the provider, without an account and without costs.

    The sandbox's page in a browser shows phones that ring, are answered and speak. Without --config
    and --flow it has the flows 24 and 220 (English) and 25 (Hindi).
    """
    try:
        hooks = {"1": Webhook(uri=webhook, secret=secret)} if webhook else {}
        sandbox_config = SandboxConfig(
            webhooks=hooks,
            subscription="1" if hooks else None,
            **_flows(config, texts),
            **account,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    ids = ", ".join(sorted(sandbox_config.flows, key=int))
    with suppress(OSError):  # a closed terminal must not end the sandbox
        click.echo(f"Flows: {ids}. Page: http://{host}:{port}/", err=True)
    logs.configure("warning")
    serve_sandbox(sandbox_config, host, port)


def _flows(config: Path | None, texts: dict[str, str]) -> dict[str, Any]:
    """Return the arguments ``flows``, ``languages`` and ``prompts`` of the sandbox, or none."""
    if config is None:
        return {"flows": texts} if texts else {}
    try:
        configured = load_flows({**os.environ, "OTPVOICE_CONFIG": str(config)})
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    flows, languages = merge_flows(configured)
    prompts = {
        flow.id: flow.prompt
        for each in configured.values()
        for flow in each.values()
        if flow.gate and flow.id not in texts
    }
    return {"flows": flows | texts, "languages": languages, "prompts": prompts}


def merge_flows(
    configured: Mapping[str, Mapping[str, Flow]],
) -> tuple[dict[str, str], dict[str, str]]:
    """Merge the flows of all settings into texts and languages by flow id.

    Several settings may use one id. In the provider's portal a flow has one text and one language,
    so the first text and the first language tag apply.

    Args:
        configured: flows by language tag, by the dotted name of their setting.

    Raises:
        click.ClickException: two settings have different texts for one flow.
    """
    texts: dict[str, str] = {}
    languages: dict[str, str] = {}
    sources: dict[str, str] = {}
    for name, key, flow in (
        (f"{setting}.{key}", key, flow)
        for setting, flows in configured.items()
        for key, flow in flows.items()
    ):
        if flow.text and texts.get(flow.id, "") not in {"", flow.text}:
            raise click.ClickException(
                f"flow {flow.id} has two texts, in {sources[flow.id]} and {name}. In the "
                "provider's portal a flow has one text. Use another id for one of them."
            )
        if flow.text:
            sources.setdefault(flow.id, name)
        texts[flow.id] = texts.get(flow.id) or flow.text
        if key != DEFAULT_FLOW:
            languages.setdefault(flow.id, key)
    return texts, languages
