"""The pretend telephone company, for development and tests.

It is the vendor of docs/provider.md on localhost, with phones that do as they are told and a ledger
that remembers every request. It imports nothing of otpvoice, so that two hands have to agree on
the wire.
"""

from otpvoice.sandbox.app import create_app
from otpvoice.sandbox.config import CallbackTemplate, ReplyStyle, SandboxConfig, Webhook
from otpvoice.sandbox.server import RunningSandbox, serve

__all__ = [
    "CallbackTemplate",
    "ReplyStyle",
    "RunningSandbox",
    "SandboxConfig",
    "Webhook",
    "create_app",
    "serve",
]
