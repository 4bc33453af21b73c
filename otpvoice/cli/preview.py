"""``otpvoice preview``: what the provider will receive, and what a voice will say."""

import json
from collections.abc import Iterator
from typing import Any

import click

from otpvoice.api.preview import CallPreview, Previewer
from otpvoice.app import create_provider
from otpvoice.cli.configured import load_settings
from otpvoice.cli.operating import json_option, print_json
from otpvoice.core.flow import is_locale
from otpvoice.settings import Settings


@click.command()
@click.option("--locale", help="As in a request: hi, hi-IN. Default: the default flow.")
@click.option("--name", default="", help="As in a request.")
@click.option("--client", help="With this client's flows, name and ttl.")
@click.option("--text", help="Try this text instead of the flow's.")
@json_option
def preview(
    locale: str | None, name: str, client: str | None, text: str | None, *, as_json: bool
) -> None:
    """See what the provider will receive, and what a voice will say.

    Nobody is called. The code is an example. Warns of what people would not understand.
    """
    if locale is not None and not is_locale(locale):
        raise click.BadParameter("must be a language tag, like hi or hi-IN", param_hint="--locale")
    settings = load_settings()
    previewer = Previewer(settings, create_provider(settings))
    shown = previewer.preview(_choose_client(settings, client), locale, name, text)
    if as_json:
        print_json(_serialize(shown))
    else:
        click.echo("\n".join(_render(shown)))


def _choose_client(settings: Settings, client: str | None) -> str:
    if client is None and len(settings.clients) == 1:
        (client,) = settings.clients
    names = ", ".join(sorted(settings.clients))
    if client is None and not names:
        raise click.UsageError("No client is configured yet: otpvoice keys new CLIENT makes one.")
    if client is None:
        raise click.UsageError(
            f"Several clients are configured: choose one with --client ({names})."
        )
    if client not in settings.clients:
        raise click.BadParameter(f"{client!r} is not configured ({names})", param_hint="--client")
    return client


def _render_code_time(heard_after: int | None) -> str:
    if heard_after is None:
        return ", without the code"
    return f", and the code is heard once after {heard_after} s"


def _render(shown: CallPreview) -> Iterator[str]:
    speech = shown.speech
    yield f"Flow {shown.flow_key} ({shown.flow.id}), with an example of a code."
    if speech.text:
        code_time = _render_code_time(speech.code_spoken_after_s)
        yield f"It says, in about {speech.duration_s} s{code_time}:"
        yield f"\n  {speech.spoken_text}"
    for route, request in shown.requests.items():
        yield f"\n{route}  POST {request.url}"
        members = json.loads(request.body)
        yield from (f"  {name:16}  {value}" for name, value in members.items())
    yield "\nWarnings:" if shown.warnings else "\nNothing to warn of."
    yield from (f"  {warning}" for warning in shown.warnings)


def _serialize(shown: CallPreview) -> dict[str, Any]:
    speech, has_text = shown.speech, bool(shown.speech.text)
    return {
        "flow": {"locale": shown.flow_key, "id": shown.flow.id},
        "says": speech.spoken_text if has_text else None,
        "seconds": speech.duration_s if has_text else None,
        "heard_after": speech.code_spoken_after_s if has_text else None,
        "requests": {
            route: {"url": request.url, "body": json.loads(request.body)}
            for route, request in shown.requests.items()
        },
        "warnings": list(shown.warnings),
    }
