"""The ``otpvoice`` command line."""

import click

from otpvoice.cli.demo import demo
from otpvoice.cli.doctor import doctor
from otpvoice.cli.keys import keys
from otpvoice.cli.limits import limits
from otpvoice.cli.preview import preview
from otpvoice.cli.records import find, forget
from otpvoice.cli.run import api, dialer, serve
from otpvoice.cli.sandbox import sandbox
from otpvoice.cli.verify import verify


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="otpvoice")
def main() -> None:
    """Verify phone numbers by voice call.

    A login backend requests a call, the call speaks a code, and the code is accepted exactly once.
    Settings come from the file that OTPVOICE_CONFIG names, and from OTPVOICE_* variables.
    """


for command in (
    *(demo, serve, api, dialer, sandbox, doctor, keys, verify),
    *(limits, find, forget, preview),
):
    main.add_command(command)
