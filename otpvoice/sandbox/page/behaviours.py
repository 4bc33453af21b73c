"""The behaviours of a phone as the page offers them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Choice:
    """One behaviour, in words."""

    behaviour: str
    label: str


@dataclass(frozen=True, slots=True)
class Group:
    """Behaviours of one kind."""

    title: str
    choices: tuple[Choice, ...]


GROUPS: Final = (
    Group(
        "The person",
        (
            Choice("by_hand", "By hand"),
            Choice("answer", "Answers"),
            Choice("decline", "Declines"),
            Choice("no_answer", "Does not answer"),
            Choice("busy", "Is engaged"),
            Choice("voicemail", "Has voicemail"),
            Choice("hang_up_early", "Hangs up early"),
        ),
    ),
    Group(
        "The callback",
        (
            Choice("no_callback", "Is lost"),
            Choice("late_callback", "Comes late"),
            Choice("duplicate_callback", "Comes twice"),
            Choice("early_callback", "Overtakes the reply"),
        ),
    ),
    Group(
        "The reply",
        (
            Choice("slow", "Takes 5 s"),
            Choice("timeout", "Never comes"),
            Choice("trickle", "Trickles"),
            Choice("garbage", "Is not JSON"),
            Choice("empty", "Is empty"),
            Choice("huge", "Is huge"),
            Choice("cut", "Is cut off"),
            Choice("reset", "Is a reset"),
            Choice("error_500", "500"),
            Choice("error_401", "401"),
            Choice("out_of_credit", "402, no credit"),
        ),
    ),
)
"""All but ``reply``, which needs to be told what."""

LABELS: Final = {
    choice.behaviour: f"{group.title} {choice.label[0].lower()}{choice.label[1:]}"
    for group in GROUPS
    for choice in group.choices
} | {"by_hand": "By hand", "reply": "A reply of your own"}
"""Behaviour → what it does, in a sentence."""
