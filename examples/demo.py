"""``python examples demo``, which is ``make demo``: the story, then a page to try it on."""

import os
import sys
import webbrowser
from typing import Any, Final

import click

from launcher import LOGIN, PAGE
from otpvoice.cli.demo import (
    DemoOptions,
    choose_port,
    demo_options,
    narrate_scenario,
    running_stack,
    wait_for_stop,
)
from otpvoice.cli.demo import demo as story
from otpvoice.cli.request import HttpRequest
from otpvoice.cli.stack import Stack
from otpvoice.cli.story import print_next_steps

VISITOR_NUMBER: Final = "+919845012345"
"""Whose phone is on the page; the story calls another one, so that no limit is used up."""
_FORMATTED_NUMBER: Final = "+91 98450 12345"
_PORT: Final = 8080
_LOGIN_PORT: Final = 8010


@click.command()
@click.option("--once", is_flag=True, help="End after the narrated verification, without the page.")
@click.option("--no-browser", is_flag=True, help="Only say where the page is.")
@demo_options
@click.pass_context
def demo(context: click.Context, /, *, once: bool, no_browser: bool, **chosen: Any) -> None:
    """See one verification, then try it: a login and its phone, side by side on a page.

    Begins as ``otpvoice demo`` does, and with --once is nothing else.
    """
    if once:
        context.invoke(story, once=True, **chosen)
        return
    settings = DemoOptions(**chosen)
    login, page = (
        f"http://127.0.0.1:{choose_port(usual, others=settings.ports)}"
        for usual in (_LOGIN_PORT, _PORT)
    )
    with running_stack(settings, app=login, framed_by=page) as (stack, narrator):
        start_pages(stack, login, page)
        narrate_scenario(stack, narrator)
        print_next_steps(stack, narrator)
        click.echo(f"\n   Log in, and answer the phone, on one page:  {_bold(f'{page}/')}\n")
        if not no_browser and _has_desktop():
            webbrowser.open(page)
        wait_for_stop(stack)


def start_pages(stack: Stack, login: str, page: str) -> None:
    """The login, the page around it, and a phone that rings until the visitor answers it."""
    LOGIN.launch(stack, login, LOGIN_FRAMED_BY=page, LOGIN_NUMBER=_FORMATTED_NUMBER)
    PAGE.launch(stack, page, LOGIN_ORIGIN=login, DEMO_NUMBER=VISITOR_NUMBER)
    phone = f"{stack.sandbox_url}/phones/{VISITOR_NUMBER.removeprefix('+')}"
    HttpRequest("PUT", phone, body={"behaviour": "by_hand"}).send().raise_for_status()


def _has_desktop() -> bool:
    """Whether somebody sits at this terminal who would see a window open."""
    has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.stdout.isatty() and bool(has_display or sys.platform in {"darwin", "win32"})


def _bold(text: str) -> str:
    return click.style(text, bold=True, underline=True)
