"""``python -m otpvoice``."""

from otpvoice.cli import main

main()
