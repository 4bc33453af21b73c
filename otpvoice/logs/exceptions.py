"""Exceptions in log lines: class, place, and text if the text is ours."""

from pathlib import Path
from typing import Final

_MAX_FRAMES: Final = 5


def describe(error: BaseException) -> dict[str, object]:
    """Return the log fields of an exception: ``error``, ``traceback`` and ``reason``.

    The text is given for exceptions of otpvoice only. Another library's may quote its input. An
    exception may add fields of its own, as its attribute ``log_fields``.
    """
    fields: dict[str, object] = {"error": type(error).__name__, "traceback": raised_at(error)}
    if type(error).__module__.startswith("otpvoice.") and str(error):
        fields["reason"] = str(error)
    return fields | getattr(error, "log_fields", {})


def raised_at(error: BaseException) -> list[str]:
    """The five innermost places it came through, as in ``flask/app.py:917 dispatch_request``."""
    places, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        file = "/".join(Path(code.co_filename).parts[-2:])
        places.append(f"{file}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-_MAX_FRAMES:]
