"""``otpvoice doctor``: is everything set up, and what to do about what is not."""

from otpvoice.cli.doctor.command import doctor

__all__ = ["doctor"]
