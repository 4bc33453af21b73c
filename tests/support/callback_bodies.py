"""The ways in which a callback's members may be written and wrapped."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"


def as_multipart(members: Mapping[str, Any], end: str = "\r\n") -> bytes:
    """Return the members as ``multipart/form-data``; members that are None are left out."""
    head = f"--{BOUNDARY}{end}Content-Disposition: form-data; name="
    parts = [
        f'{head}"{name}"{end}{end}{value}{end}'.encode(errors="replace")
        for name, value in members.items()
        if value is not None
    ]
    return b"".join([*parts, f"--{BOUNDARY}--{end}".encode()])


def as_form(members: Mapping[str, Any]) -> bytes:
    """Return the members as a form; members that are None are left out."""
    return urlencode({name: value for name, value in members.items() if value is not None}).encode()


def as_json(members: Any) -> bytes:
    """Return the value as JSON."""
    return json.dumps(members).encode()


Encode = Callable[[Mapping[str, Any]], bytes]

ENCODINGS: Mapping[str, Encode] = {
    "json": as_json,
    "json with a BOM": lambda members: b"\xef\xbb\xbf" + as_json(members),
    "json with trailing commas": lambda members: as_json({"data": members}).replace(b"}", b" , }"),
    "form": as_form,
    "form with a BOM": lambda members: b"\xef\xbb\xbf" + as_form(members),
    "multipart": as_multipart,
    "multipart with bare line ends": lambda members: as_multipart(members, "\n"),
    "multipart after an empty line": lambda members: b"\r\n" + as_multipart(members),
    "multipart with a file": lambda members: (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="id"; filename="a.mp3"\r\n'
        "Content-Type: audio/mpeg\r\n\r\nnot-the-id\r\n".encode()
        + as_multipart(members)
    ),
    "event and payload": lambda members: as_json({"event": "call:out", "payload": members}),
    "data": lambda members: as_json({"data": members}),
    "reply style": lambda members: as_json({"status": 200, "message": "OK", "data": [members]}),
    "event with an id": lambda members: as_json({"id": "evt-1", "type": "call", "call": members}),
    "list": lambda members: as_json([members]),
    "list in data": lambda members: as_json({"data": [members]}),
    "payload in data": lambda members: as_json({"data": {"event": "x", "payload": members}}),
    "text in a form": lambda members: as_form({"event": "x", "payload": json.dumps(members)}),
    "text in multipart": lambda members: as_multipart({"payload": json.dumps(members)}),
    "text in json": lambda members: as_json({"event": "x", "payload": json.dumps(members)}),
    "message with an object": lambda members: as_json({**members, "extra": {"status": "BUSY"}}),
    "message with a list": lambda members: as_json({**members, "dtmf": [], "options": [1, {}]}),
}
"""Each gives the same message."""
