"""``otpvoice doctor``: verify a deployment, and say how to fix it."""

from otpvoice.cli.doctor.command import doctor

__all__ = ["doctor"]
