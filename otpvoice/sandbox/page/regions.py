"""The pieces of the page that change, and the stream that pushes those that did."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from flask import render_template

from otpvoice.sandbox.company import Sandbox
from otpvoice.sandbox.page.behaviours import BEHAVIOUR_GROUPS
from otpvoice.sandbox.page.views import call_views, phone_views
from otpvoice.sandbox.voice import find_voice

HEARTBEAT_S: Final = 10.0
"""Seconds of silence after which a comment is sent: so soon is seen who went away."""
_BATCH_S: Final = 0.05
"""Seconds in which changes are gathered: a busy company does not mean a busy page."""
_RETRY_MS: Final = 1000
"""Milliseconds until a browser comes back."""

Regions = dict[str, dict[str, str]]
"""List → id of an element → its HTML, in the order of the page."""


def render_regions(company: Sandbox) -> Regions:
    """All pieces as they are now. Needs an app's context."""
    voice = find_voice() is not None
    return {
        "phones": {
            phone.id: render_template(
                "phone.html", phone=phone, groups=BEHAVIOUR_GROUPS, voice=voice
            )
            for phone in phone_views(company)
        },
        "calls": {call.id: render_template("call.html", call=call) for call in call_views(company)},
    }


@dataclass(slots=True)
class StreamState:
    """What one browser has been sent."""

    sent_hashes: dict[str, int] = field(default_factory=dict)
    """Id of an element → hash of its HTML. As many as the page holds."""

    def next_message(self, regions: Regions) -> str:
        """The message that brings the browser up to date, as JSON."""
        pieces = {key: html for part in regions.values() for key, html in part.items()}
        hashes = {key: hash(html) for key, html in pieces.items()}
        changed = {
            key: html for key, html in pieces.items() if self.sent_hashes.get(key) != hashes[key]
        }
        self.sent_hashes = hashes
        order = {name: [*part] for name, part in regions.items()}
        return json.dumps({"now": int(time.time() * 1000), "order": order, "changed": changed})


def event_stream(company: Sandbox) -> Iterator[str]:
    """Server-sent events, from all pieces to each change; ends when the company stops.

    A browser that comes back is sent all again: nothing depends on what it saw before. Needs an
    app's context.
    """
    reader = StreamState()
    yield f"retry: {_RETRY_MS}\n\n"
    seen = -1
    while (count := company.wait_for_change(seen, HEARTBEAT_S)) is not None:
        if count == seen:
            yield ": still here\n\n"
            continue
        seen = count
        yield f"data: {reader.next_message(render_regions(company))}\n\n"
        company.scheduler.sleep(_BATCH_S)
