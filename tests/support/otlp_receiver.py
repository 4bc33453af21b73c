"""A receiver of traces (OTLP over HTTP), decoded by OpenTelemetry's own package.

Run as a program of its own, with that package in its path: ``otlp_receiver.py PORT FILE``. It
appends each span as one line of JSON to the file, and what it received to ``FILE.raw``.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def value_of(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


def attributes_of(pairs: Any) -> dict[str, Any]:
    return {pair.key: value_of(pair.value) for pair in pairs}


def line_of(span: Any, resource: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        "trace_id": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent_id": span.parent_span_id.hex(),
        "attributes": attributes_of(span.attributes),
        "links": [[link.trace_id.hex(), link.span_id.hex()] for link in span.links],
        "events": [event.name for event in span.events],
        "failed": span.status.code == Status.STATUS_CODE_ERROR,
        "service": resource["service.name"],
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    file: Path

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with Path(f"{self.file}.raw").open("ab") as raw:
            raw.write(body)
        request = ExportTraceServiceRequest.FromString(body)
        with self.file.open("a") as lines:
            for group in request.resource_spans:
                resource = attributes_of(group.resource.attributes)
                for scope in group.scope_spans:
                    for span in scope.spans:
                        lines.write(json.dumps(line_of(span, resource)) + "\n")
        response = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(response)))
        self.end_headers()
        self.wfile.write(response)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


if __name__ == "__main__":
    Handler.file = Path(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
