"""``otpvoice preview``: the speech of a call and the requests to the provider, without a call."""

from collections.abc import Iterator
from typing import Any

import click

from otpvoice.admin.preview import CallPreview, preview_call
from otpvoice.cli.operator import json_option, load_settings, print_result
from otpvoice.container import Container
from otpvoice.core.speech import is_locale
from otpvoice.settings import Settings


@click.command()
@click.option("--locale", help="Locale of the request, such as hi or hi-IN.")
@click.option("--name", default="", help="Name in the request.")
@click.option("--client", help="Client whose flows, default name and ttl are used.")
@click.option("--text", help="Text to try instead of the flow's own.")
@json_option
def preview(
    locale: str | None, name: str, client: str | None, text: str | None, *, as_json: bool
) -> None:
    """Preview what a call will say, and what the provider will receive.

    No call is placed, and the code is an example. Warnings name what listeners would not
    understand.
    """
    if locale is not None and not is_locale(locale):
        raise click.BadParameter("must be a language tag, like hi or hi-IN", param_hint="--locale")
    settings = load_settings()
    client, routes = _choose_client(settings, client), Container(settings).routes
    shown = preview_call(settings, routes, client, locale, name, text)
    print_result(_document(shown), _render(shown), as_json=as_json)


def _choose_client(settings: Settings, client: str | None) -> str:
    names = ", ".join(sorted(settings.clients))
    if client is None and len(settings.clients) == 1:
        return names
    if client is None and not names:
        raise click.UsageError("No client is configured. Create one with otpvoice keys new CLIENT.")
    if client is None:
        raise click.UsageError(
            f"Several clients are configured: choose one with --client ({names})."
        )
    if client not in settings.clients:
        raise click.BadParameter(f"{client!r} is not configured ({names})", param_hint="--client")
    return client


def _render(shown: CallPreview) -> Iterator[str]:
    speech, code_after_s = shown.speech, shown.speech.code_spoken_after_s
    yield f"Flow {shown.flow_key} ({shown.flow.id}), with an example code."
    if speech.text:
        code = (
            "without the code"
            if code_after_s is None
            else f"and the code is spoken once after {code_after_s} s"
        )
        yield f"Speech of about {speech.duration_s} s, {code}:"
        yield f"\n  {speech.spoken_text}"
    for route, request in shown.requests.items():
        yield f"\n{route}  POST {request.url}"
        yield from (f"  {name:16}  {value}" for name, value in request.members.items())
    yield "\nWarnings:" if shown.warnings else "\nNo warnings."
    yield from (f"  {warning}" for warning in shown.warnings)


def _document(shown: CallPreview) -> dict[str, Any]:
    speech, has_text = shown.speech, bool(shown.speech.text)
    return {
        "flow": {"locale": shown.flow_key, "id": shown.flow.id},
        "says": speech.spoken_text if has_text else None,
        "seconds": speech.duration_s if has_text else None,
        "heard_after": speech.code_spoken_after_s if has_text else None,
        "requests": {
            route: {"url": request.url, "body": request.members}
            for route, request in shown.requests.items()
        },
        "warnings": list(shown.warnings),
    }
