"""The two ways in which Mobtexting places calls."""

from enum import StrEnum


class Mode(StrEnum):
    """A way to place a call."""

    OBD = "obd"
    """Outbound dialled call: the provider calls the user and plays a flow."""
    C2C = "c2c"
    """Click-to-call: the provider calls the user and connects them to a flow."""
