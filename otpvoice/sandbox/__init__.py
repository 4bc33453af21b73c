"""The provider simulator, for development and tests.

It simulates the vendor of docs/provider.md on localhost, with phones that have configurable
behaviours and a log of every request. It imports no other package of otpvoice, so the two
implementations of the vendor's protocol are independent.
"""

from otpvoice.sandbox.config import CallbackTemplate, ReplyStyle, SandboxConfig, Webhook
from otpvoice.sandbox.server import RunningSandbox, serve

__all__ = [
    "CallbackTemplate",
    "ReplyStyle",
    "RunningSandbox",
    "SandboxConfig",
    "Webhook",
    "serve",
]
