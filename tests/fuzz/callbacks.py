"""Coverage-guided fuzzer for ``Mobtexting.parse_callback``.

It is not part of the test suite and runs until its time limit. It requires atheris
(https://github.com/google/atheris) in addition to the service's packages::

    python -m venv .fuzz && .fuzz/bin/pip install atheris . && mkdir -p .fuzz/corpus
    export PYTHONPATH=tests
    .fuzz/bin/python tests/fuzz/callbacks.py .fuzz/corpus -max_total_time=600 -max_len=16384

The arguments are libFuzzer's. New inputs are stored in the folder, and the next run continues with
them. An input is a query string, a line feed and a body. Each is sent with a valid secret, because
unauthenticated callbacks are not parsed (``tests/providers/test_mobtexting_callback_auth.py``).
"""

import json
import random
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import atheris  # type: ignore[import-untyped] # installed only for this
from support.callback_bodies import as_multipart

with atheris.instrument_imports(include=["otpvoice"]):
    from otpvoice.core.verification import CallStatus
    from otpvoice.providers.base import Callback, CallbackError, CallReport, Challenge
    from otpvoice.providers.mobtexting.provider import Mobtexting

_SECRET: Final = "hook-secret"
_KEY: Final = "validation-key"
_MAX_BODY: Final = 16 * 1024
_RESULTS: Final = {
    CallStatus.ANSWERED,
    CallStatus.BUSY,
    CallStatus.NO_ANSWER,
    CallStatus.FAILED,
    CallStatus.UNKNOWN,
}
_YEAR_1: Final = -62_135_683_200_000
_YEAR_10000: Final = 253_402_387_200_000
"""Milliseconds: one day after the last date of any time zone."""

# The bodies in docs/providers/mobtexting.md, section 3, with digits in place of X.
_C2C: Final[Mapping[str, Any]] = {
    "bridge": 918068280000,
    "from": 918919525224,
    "to": 918867130000,
    "source": "C2C",
    "start_at": "2021-04-09 16:27:39",
    "end_at": "2021-04-09 16:27:55",
    "date": "2021-04-09 16:27:55",
    "unixtime": "1653455555",
    "duration": "23",
    "billing": "23",
    "status": "COMPLETED",
    "status1": "RECEIVED",
    "status2": "ANSWER",
    "recording_url": "https://youraudiofilelocation/",
    "hangup_by": "caller",
}
_OBD: Final[Mapping[str, Any]] = {
    "bridge": 918068280000,
    "from": 918068280000,
    "to": 918919525224,
    "source": "OBD",
    "mid": "1234-1333-54321",
    "flow_id": 123,
    "start_at": "2021-04-09 16:27:39",
    "end_at": "2021-04-09 16:27:55",
    "duration": "23",
    "status": "ANSWER",
    "recording_url": None,
}
_COMPOSED: Final[Mapping[str, Any]] = {
    "id": "call_00112233445566778899aabbccddeeff",
    "to": "918919525224",
    "status": "BUSY",
    "duration": "0",
}
_CHALLENGE: Final[Mapping[str, Any]] = {"validation_key": _KEY, "challenge": "a234qwe"}
_DOCUMENTED: Final = (_C2C, _OBD, _COMPOSED, _CHALLENGE)

_NAMES: Final = tuple({name: None for body in _DOCUMENTED for name in body} | {"callId": None})
_VALUES: Final[tuple[Any, ...]] = (
    *{str(value): None for body in _DOCUMENTED for value in body.values()},
    *("Answered", "NO ANSWER", "SWITCHED-OFF", "BUSY_LEG1", "OUT OF ZONE"),
    *("09/04/2021 04:27:39 PM", "2021/04/09 16:27:39 IST", "1617965859", 1617965859000),
    *("0000-00-00 00:00:00", '{"id":"x","status":"BUSY"}', "[" * 99),
    *("MISSED", "NOANSWER", "CANCEL", "CONGESTION", "CHANUNAVAIL", "{{status}}", "flow:220"),
    *("9999-12-31 23:59:59", "0001-01-01 00:00:00", "2021-W14-5", "2021-04-09T16:27:39+24:00"),
    *("", " ", "\x00", "\ud800", "१२३", "70fa87e0-9df9-4327-bc80-a561c48703d8:1"),
    *(None, True, -1, 1e300, float("nan"), 10**400, [], ["BUSY"], {}, {"a": {}}),
)

_PROVIDER: Final = Mobtexting(
    base_url="http://x/", token="t", webhook_secrets=(_SECRET,), validation_key=_KEY
)


def fuzz_callback(data: bytes) -> None:
    """Assert that the result is valid reports, a challenge, or a documented error."""
    query, _, body = data.partition(b"\n")
    parameters = dict(parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True))
    callback = Callback(body[:_MAX_BODY], parameters, {"authorization": f"Bearer {_SECRET}"})
    try:
        result = _PROVIDER.parse_callback(callback)
    except CallbackError:
        return
    if isinstance(result, Challenge):
        assert result.response.isprintable()
    else:
        for report in result:
            _assert_valid(report)


def _assert_valid(report: CallReport) -> None:
    assert report.status in _RESULTS
    assert all(len(known) <= 64 and known.isascii() for known in report.ids)
    assert report.number is None or _is_number(report.number.removeprefix("+"), 7)
    assert report.bridge is None or _is_number(report.bridge, 3)
    assert report.raw is None or (len(report.raw) <= 40 and report.raw.isprintable())
    assert report.duration_s is None or 0 <= report.duration_s < 100_000
    started_at = report.started_at_ms
    assert started_at is None or _YEAR_1 <= started_at <= _YEAR_10000


def _is_number(digits: str, shortest: int) -> bool:
    return digits.isascii() and digits.isdecimal() and shortest <= len(digits) <= 15


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change one member of a JSON body, or let libFuzzer change some bytes."""
    query, _, body = data.partition(b"\n")
    chance = random.Random(seed)
    try:
        members = json.loads(body) if chance.random() < 0.5 else None
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        changed: bytes = atheris.Mutate(data, max_size)
        return changed
    members[chance.choice(_NAMES)] = chance.choice(_VALUES)
    return b"\n".join([query, json.dumps(members).encode()])[:max_size]


def _write_corpus(folder: Path) -> None:
    for number, members in enumerate(_DOCUMENTED):
        as_json, as_form = json.dumps(members).encode(), urlencode(members).encode()
        for shape, data in {
            "json": b"\n" + as_json,
            "comma": b"\n" + as_json.replace(b"}", b" , }"),
            "form": b"\n" + as_form,
            "query": as_form,
            "multipart": b"\n" + as_multipart(members),
            "list": b"\n[" + as_json + b"]",
            "envelope": b'\n{"event":"call","payload":' + as_json + b"}",
            "data": b'\n{"status":"OK","data":[' + as_json + b"]}",
        }.items():
            (folder / f"{number}-{shape}").write_bytes(data)
    (folder / "deep").write_bytes(b"\n" + b'{"a":' * 3_000)


if __name__ == "__main__":
    seeds = Path(tempfile.mkdtemp(prefix="callbacks-"))
    _write_corpus(seeds)
    atheris.Setup([*sys.argv, str(seeds)], fuzz_callback, custom_mutator=mutate)
    atheris.Fuzz()
