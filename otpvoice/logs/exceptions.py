"""An exception as a line may tell it: its kind and its place.

Its message stays untold: it may quote what was handled.
"""

from pathlib import Path
from typing import Final

_FRAMES: Final = 5


def told(error: BaseException) -> dict[str, object]:
    """``error``, the name of its class, and ``at``: see :func:`origin`.

    An exception may add harmless fields of its own, as its attribute ``log_fields``.
    """
    details: dict[str, object] = getattr(error, "log_fields", {})
    return {"error": type(error).__name__, "at": origin(error), **details}


def origin(error: BaseException) -> list[str]:
    """The five innermost places it came through, as in ``flask/app.py:917 dispatch_request``."""
    places, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        file = "/".join(Path(code.co_filename).parts[-2:])
        places.append(f"{file}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-_FRAMES:]
