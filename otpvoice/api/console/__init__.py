"""``/console``: what operators look at. It is there only if a key to it is set (docs/console.md).

It shows what ``otpvoice limits`` and ``find`` show, and plots of the last day. Nothing in it is
changed by looking, but that the log is told who searched; the one thing that can be done is to free
a number from its limits. Numbers are masked, codes are nowhere.

It is no part of the API: pages for people, with a credential of their own.
"""
