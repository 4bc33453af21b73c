"""A provider that accepts every call after a delay: ``python slow_provider.py PORT SECONDS``.

It is small and runs in a separate process, so that the measured CPU is that of the dialer. It
replies as in docs/providers/mobtexting.md, section 2, and never sends a callback.
``GET /arrivals`` → ``{"919876543210": <seconds of the monotonic clock>}``, the arrival of each
call's request. ``GET /count`` → their number.
"""

import asyncio
import json
import re
import sys
import time
from contextlib import suppress

_LENGTH = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)


class SlowProvider:
    """A server that replies to each request for a call after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._arrivals: dict[str, float] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it is closed."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                reply = json.dumps(await self._reply(head, body)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(reply), reply))
                await writer.drain()
        writer.close()

    async def _reply(self, head: bytes, body: bytes) -> object:
        now = time.monotonic()
        if head.startswith(b"GET /arrivals"):
            return self._arrivals
        if head.startswith(b"GET /count"):
            return len(self._arrivals)
        callee = json.loads(body)["to"]
        self._arrivals[callee] = now
        await asyncio.sleep(self._seconds)
        call = {"id": f"call-to-{callee}", "mobile": callee, "charges": "0.5000"}
        return {"status": 200, "message": "1 numbers accepted for delivery.", "data": [call]}


async def main(port: int, seconds: float) -> None:
    """Serve until the process is terminated."""
    serve = SlowProvider(seconds).serve
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
