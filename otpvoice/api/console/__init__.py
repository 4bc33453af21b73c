"""``/console``: pages for operators, served only if an admin key is configured (docs/console.md).

The console shows what ``otpvoice limits`` and ``otpvoice find`` show, with charts of the last day.
Its only action clears the limits of a number. Numbers are masked, and codes are never shown.

It is not part of the API, and it has credentials of its own.
"""
