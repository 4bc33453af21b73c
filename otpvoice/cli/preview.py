"""``otpvoice preview``: the speech of a call and the requests to the provider, without a call."""

from collections.abc import Iterator
from typing import Any

import click

from otpvoice.admin.preview import CallPreview, PreviewRequest, RoutePreview, preview_call
from otpvoice.admin.speech_preview import SpeechPreview
from otpvoice.cli.operator import json_option, load_settings, print_result
from otpvoice.container import Container
from otpvoice.core.speech import is_locale
from otpvoice.settings import Settings


@click.command()
@click.option("--locale", help="Locale of the request, such as hi or hi-IN.")
@click.option("--name", default="", help="Name in the request.")
@click.option("--client", help="Client whose flows, texts, default name and ttl are used.")
@click.option("--route", help="Route to preview instead of all.")
@click.option("--text", help="Text to try instead of the flow's own.")
@json_option
def preview(
    locale: str | None,
    name: str,
    client: str | None,
    route: str | None,
    text: str | None,
    *,
    as_json: bool,
) -> None:
    """Preview what a call will say, and what the provider will receive.

    No call is placed, and the code is an example. Warnings name what listeners would not
    understand. With several providers, the speech is the one of the first route of the client's own
    line, or of --route.
    """
    if locale is not None and not is_locale(locale):
        raise click.BadParameter("must be a language tag, like hi or hi-IN", param_hint="--locale")
    settings = load_settings()
    client, routes = _choose_client(settings, client), Container(settings).routes
    if route is not None and route not in routes:
        known = ", ".join(routes)
        raise click.BadParameter(f"{route!r} is not a route ({known})", param_hint="--route")
    request = PreviewRequest(client=client, locale=locale, name=name, text=text, route=route)
    shown = preview_call(settings, routes, request)
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
    speech = shown.chosen.speech
    yield f"{_title(shown.chosen)}, with an example code."
    if speech.spoken_prompt:
        yield f"Until a key is pressed:\n\n  {speech.spoken_prompt}\n\nThen:"
    if speech.text:
        yield _durations(speech)
        yield f"\n  {speech.spoken_text}"
    if speech.plan.document:
        yield f"\nDocument\n  {speech.plan.document}"
    for each in shown.routes:
        yield f"\n{each.route}  POST {each.request.url}"
        yield from (f"  {name:16}  {value}" for name, value in each.request.members.items())
        if len(each.lines) > 1:
            yield f"  In turns with this line: {', '.join(each.lines[1:])}"
    yield "\nWarnings:" if shown.warnings else "\nNo warnings."
    yield from (f"  {warning}" for warning in shown.warnings)


def _title(shown: RoutePreview) -> str:
    speech = shown.speech
    if speech.flow_id:
        return f"Flow {speech.speech.locale} ({speech.flow_id})"
    voice = speech.plan.voice or "the provider's own voice"
    return f"Text {speech.setting}.{speech.speech.locale} by route {shown.route} in {voice}"


def _durations(speech: SpeechPreview) -> str:
    if speech.duration_s is None:
        return "Speech:"
    code_after_s, times = speech.code_spoken_after_s, speech.plan.repetitions
    code = (
        "without the code"
        if code_after_s is None
        else f"and the code is spoken once after {code_after_s} s"
    )
    repeated = f", in which the text is spoken {times} times" if times > 1 else ""
    return f"Speech of about {speech.duration_s} s{repeated}, {code}:"


def _document(shown: CallPreview) -> dict[str, Any]:
    speech = shown.chosen.speech
    has_text = bool(speech.text)
    return {
        "route": shown.chosen.route,
        "flow": {"locale": speech.speech.locale, "id": speech.flow_id, "setting": speech.setting},
        "prompt": speech.spoken_prompt or None,
        "says": speech.spoken_text if has_text else None,
        "seconds": speech.duration_s if has_text else None,
        "heard_after": speech.code_spoken_after_s if has_text else None,
        "repetitions": speech.plan.repetitions,
        "voice": speech.plan.voice or None,
        "document": speech.plan.document or None,
        "requests": {
            each.route: {
                "url": each.request.url,
                "lines": each.lines,
                "body": each.request.members,
            }
            for each in shown.routes
        },
        "warnings": list(shown.warnings),
    }
