"""The shipped limits as environment variables, for services that otherwise run with wide ones."""

from typing import Final

from otpvoice.core.limits import LIMITS, Quota, Ratio
from otpvoice.settings.schema import Limits


def _written(value: object) -> str:
    """Return a setting as its variable holds it."""
    if isinstance(value, tuple):
        return ",".join(map(_written, value))
    return value.text if isinstance(value, Quota | Ratio) else str(value)


SHIPPED: Final = {
    f"OTPVOICE_LIMITS_{setting.upper()}": _written(getattr(Limits(), setting))
    for setting in LIMITS
    if setting != "block"
}
