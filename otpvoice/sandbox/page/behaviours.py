"""The behaviours of a phone as the page offers them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class BehaviourChoice:
    """One behaviour, in words."""

    behaviour: str
    label: str


@dataclass(frozen=True, slots=True)
class BehaviourGroup:
    """Behaviours of one kind."""

    title: str
    choices: tuple[BehaviourChoice, ...]


BEHAVIOUR_GROUPS: Final = (
    BehaviourGroup(
        "The person",
        (
            BehaviourChoice("by_hand", "By hand"),
            BehaviourChoice("answer", "Answers"),
            BehaviourChoice("decline", "Declines"),
            BehaviourChoice("no_answer", "Does not answer"),
            BehaviourChoice("busy", "Is engaged"),
            BehaviourChoice("voicemail", "Has voicemail"),
            BehaviourChoice("hang_up_early", "Hangs up early"),
        ),
    ),
    BehaviourGroup(
        "The callback",
        (
            BehaviourChoice("no_callback", "Is lost"),
            BehaviourChoice("late_callback", "Comes late"),
            BehaviourChoice("duplicate_callback", "Comes twice"),
            BehaviourChoice("early_callback", "Overtakes the reply"),
        ),
    ),
    BehaviourGroup(
        "The reply",
        (
            BehaviourChoice("slow", "Takes 5 s"),
            BehaviourChoice("timeout", "Never comes"),
            BehaviourChoice("trickle", "Trickles"),
            BehaviourChoice("garbage", "Is not JSON"),
            BehaviourChoice("empty", "Is empty"),
            BehaviourChoice("huge", "Is huge"),
            BehaviourChoice("cut", "Is cut off"),
            BehaviourChoice("reset", "Is a reset"),
            BehaviourChoice("error_500", "500"),
            BehaviourChoice("error_401", "401"),
            BehaviourChoice("out_of_credit", "402, no credit"),
        ),
    ),
)
"""All but ``reply``, which needs to be told what."""

BEHAVIOUR_LABELS: Final = {
    choice.behaviour: f"{group.title} {choice.label[0].lower()}{choice.label[1:]}"
    for group in BEHAVIOUR_GROUPS
    for choice in group.choices
} | {"by_hand": "By hand", "reply": "A reply of your own"}
"""Behaviour → what it does, in a sentence."""
