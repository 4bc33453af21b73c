"""Coverage-guided fuzzer that compares the request reader with gunicorn.

It is run like ``callbacks.py``::

    .fuzz/bin/python tests/fuzz/request_reader.py .fuzz/requests -max_total_time=600 -max_len=3000

An input is what a client sends. It ends with a traceback at the first difference.
"""

import sys

import atheris  # type: ignore[import-untyped] # installed only for this

with atheris.instrument_imports(include=["otpvoice.server", "gunicorn.http"]):
    from server.gunicorn_reading import compare


if __name__ == "__main__":
    atheris.Setup(sys.argv, compare)
    atheris.Fuzz()
