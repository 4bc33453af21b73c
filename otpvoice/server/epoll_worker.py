"""A gunicorn worker whose threads all wait on one epoll instance.

The main thread accepts connections and watches deadlines. Every other thread waits for any
connection to become readable, serves its request and waits again: no request passes from one thread
to another, and no thread waits for a client. A request is served when all of it has arrived. Those
that :mod:`otpvoice.server.request_reader` does not read are served by gunicorn's own code in a
thread pool, byte for byte as under its threaded worker.
"""

import select
import socket
import threading
import time
from contextlib import suppress
from typing import Any, Final

from gunicorn.errors import ConfigError
from gunicorn.http.wsgi import base_environ
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from otpvoice.server.connection import Connection, addresses_of, has_data
from otpvoice.server.request_reader import PlainRequest, Reading, read_request
from otpvoice.server.responses import PlainResponse
from otpvoice.server.threaded_worker import RequestTimeout, ThreadedWorker

READ_TIMEOUT_S: Final = 10.0
"""From the first byte of a request, or from the connection, to the request's last byte."""
_BUSY_READ_TIMEOUT_S: Final = 1.0
"""The same for a request that gunicorn reads while others hold half of its threads."""
_LINGER_S: Final = 2.0
"""How long a closed connection waits for the client to close it, too (RFC 9112, section 9.6)."""
_SWEEP_INTERVAL_S: Final = 0.25
_MAX_DRAINED_BYTES: Final = 65_536
_RECEIVE_BYTES: Final = 65_536


class EpollWorker(ThreadedWorker):
    """See the module. A connection belongs to the thread that removes it from ``_waiting``."""

    @classmethod
    def check_config(cls, cfg: Any, output: Any) -> None:
        """Refuse gunicorn's options that plain requests would not follow.

        Raises:
            ConfigError: one of them is set.
        """
        super().check_config(cfg, output)
        unsupported = {"certfile": cfg.is_ssl, "max_requests": cfg.max_requests}
        unsupported |= {"accesslog": cfg.accesslog, "proxy_protocol": cfg.proxy_protocol != "off"}
        for option in (option for option, is_set in unsupported.items() if is_set):
            output.critical('The option %s requires server.worker = "gthread"', option)
            raise ConfigError(option)

    def init_process(self) -> None:
        """Prepare the worker after the fork. Gunicorn calls this."""
        self._epoll = select.epoll()
        self._waiting: dict[int, Connection] = {}
        self._handed_over: set[Connection] = set()
        self._connections: set[Connection] = set()
        self._next_sweep = 0.0
        # Gunicorn looks a setting up by name, which costs as much as a system call.
        self._keepalive_s: int = self.cfg.keepalive
        self._many_handed_over = self.cfg.threads // 2
        self._max_kept: int = self.worker_connections - self.cfg.threads
        self._environ = {
            **base_environ(self.cfg),
            "SCRIPT_NAME": "",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.multithread": True,
            "wsgi.url_scheme": "http",
        }
        super().init_process()

    # In the main thread.

    def run(self) -> None:
        """Serve until the worker stops, then finish the requests that have begun."""
        self.poller.register(
            self.method_queue.fileno(), select.EPOLLIN, self.method_queue.run_callbacks
        )
        for _ in range(self.cfg.threads):
            threading.Thread(target=self._serve_connections, name="server", daemon=True).start()
        while self.alive:
            self.notify()
            self.set_accept_enabled(len(self._connections) < self.worker_connections)
            self.wait_for_and_dispatch_events(timeout=1.0)
            if not self.is_parent_alive():
                break
            self._close_overdue()
        self.set_accept_enabled(False)
        now = time.monotonic()
        end, idle_end = now + self.cfg.graceful_timeout, now + STOP_KEEPALIVE_LINGER
        while self._connections and time.monotonic() < end:
            self.notify()
            self.wait_for_and_dispatch_events(timeout=0.1)
            self._close_overdue(idle_end)
        self.tpool.shutdown(wait=False)

    def accept(self, listener: Any) -> None:
        """Accept one connection."""
        if listener not in self.sockets:  # the stop has closed it
            return
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # no descriptor or no memory left: the connection waits
            if self._is_stopping:
                raise
            self.log.warning("Accept failed: %s", error.strerror)
            time.sleep(_SWEEP_INTERVAL_S)
            return
        connection = Connection(self.cfg, client, address, listener.getsockname())
        connection.environ = self._environ | addresses_of(address, connection.server)
        self._connections.add(connection)
        self._wait(connection, READ_TIMEOUT_S)

    # Gunicorn reads both, to refuse further connections and to close those that it could keep.
    nr_conns = property(lambda self: len(self._connections), lambda *_: None)
    keepalived_conns = property(lambda self: self._connections, lambda *_: None)

    def _close_overdue(self, idle_end: float = float("inf")) -> None:
        """Close the connections past their deadline; the idle ones at ``idle_end``, too."""
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + _SWEEP_INTERVAL_S
        for fileno, seen in self._waiting.copy().items():
            if min(seen.deadline, idle_end) > now:
                continue
            # Another thread may have served it meanwhile, so it is judged once it is ours.
            connection = self._waiting.pop(fileno, None)
            if connection is not None:
                self._close_if_overdue(connection, now, idle_end)
        for connection in list(self._handed_over):
            if connection.deadline <= now:
                with suppress(OSError):  # its reader sees the end of the request
                    connection.sock.shutdown(socket.SHUT_RD)

    def _close_if_overdue(self, connection: Connection, now: float, idle_end: float) -> None:
        is_idle = not (connection.received or connection.unsent or connection.is_lingering)
        deadline = min(connection.deadline, idle_end) if is_idle else connection.deadline
        if deadline > now:
            # It may have to send, or to serve what it has received before: then it goes on at once.
            at_once = select.EPOLLOUT if connection.unsent or connection.received else 0
            self._wait(connection, connection.deadline - now, select.EPOLLIN | at_once)
        elif is_idle and has_data(connection.sock):
            self._wait(connection, READ_TIMEOUT_S)
        elif connection.received and not connection.unsent:
            self._refuse_late(connection)
        else:
            self._close(connection)

    def _refuse_late(self, connection: Connection) -> None:
        self.handle_error(None, connection.sock, connection.client, RequestTimeout())
        self._linger(connection)

    # In the serving threads.

    def _serve_connections(self) -> None:
        while True:
            for fileno, _ in self._epoll.poll(maxevents=1):
                if connection := self._waiting.pop(fileno, None):
                    try:
                        self._advance(connection)
                    except Exception as error:  # noqa: BLE001 - a connection's failure ends no thread
                        self.handle_error(None, connection.sock, connection.client, error)
                        self._linger(connection)

    def _wait(self, connection: Connection, seconds: float, events: int = select.EPOLLIN) -> None:
        """Let any thread continue with the connection at the next of the events."""
        connection.deadline = time.monotonic() + seconds
        fileno = connection.sock.fileno()
        self._waiting[fileno] = connection
        arm = self._epoll.modify if connection.is_registered else self._epoll.register
        connection.is_registered = True  # from here on another thread may have it
        arm(fileno, events | select.EPOLLONESHOT)

    def _advance(self, connection: Connection) -> None:
        """Send the rest of the response, or receive what has arrived."""
        if connection.unsent:
            if self._send(connection, connection.unsent, keeps=connection.keeps):
                self._serve_received(connection, b"")
            return
        is_open = True
        try:
            data = connection.sock.recv(_RECEIVE_BYTES)
            is_open = bool(data)
        except BlockingIOError:
            data = b""  # woken for bytes that have been received before
        except OSError:
            self._close(connection)
            return
        if connection.is_lingering:
            self._drain(connection, data)
        elif is_open:
            self._serve_received(connection, data)
        elif connection.received:
            self._hand_over(connection, 0)  # the request is cut off
        else:
            self._close(connection)

    def _serve_received(self, connection: Connection, data: bytes) -> None:
        """Serve the requests that are complete now."""
        seconds = READ_TIMEOUT_S
        if connection.received:
            seconds = connection.deadline - time.monotonic()
        connection.received += data
        while connection.received:
            if (request := read_request(connection.received)) is Reading.INCOMPLETE:
                break
            if request is Reading.UNUSUAL:
                self._hand_over(connection, seconds)
                return
            connection.received = connection.received[request.size :]
            if not self._respond(connection, request):
                return
            seconds = READ_TIMEOUT_S if connection.received else self._keepalive_s
        if seconds > 0:
            self._wait(connection, seconds)
        else:
            self._refuse_late(connection)

    def _respond(self, connection: Connection, request: PlainRequest) -> bool:
        """Serve a request. Return whether the calling thread keeps the connection."""
        keeps = self._may_keep() and not request.closes
        response = PlainResponse(request.method, keeps=keeps)
        try:
            response.run(self.wsgi, request.environ(connection.environ))
        except Exception as error:  # noqa: BLE001 - the application has a handler for all errors
            self.handle_error(request, connection.sock, connection.client, error)
            self._linger(connection)
            return False
        return self._send(connection, response.to_bytes(), keeps=keeps)

    def _may_keep(self) -> bool:
        """Return whether a connection may stay open: there is room for new ones, too."""
        has_room = len(self._connections) < self._max_kept
        return has_room and self._keepalive_s > 0 and bool(self.alive)

    def _send(self, connection: Connection, data: bytes, *, keeps: bool) -> bool:
        """Send what the client takes. Return whether it was all and the connection stays open."""
        try:
            sent = connection.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(connection)
            return False
        connection.unsent, connection.keeps = data[sent:], keeps
        if connection.unsent:
            self._wait(connection, READ_TIMEOUT_S, select.EPOLLOUT)
            return False
        if not keeps:
            self._linger(connection)
        return keeps

    def _linger(self, connection: Connection) -> None:
        """Close a connection so that the client can read the whole response."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return self._close(connection)
        connection.is_lingering, connection.received = True, b""
        return self._wait(connection, _LINGER_S)

    def _drain(self, connection: Connection, data: bytes) -> None:
        """Discard what a client sends after the last response, until the deadline."""
        connection.drained += len(data)
        seconds = connection.deadline - time.monotonic()
        if data and seconds > 0 and connection.drained < _MAX_DRAINED_BYTES:
            self._wait(connection, seconds)
        else:
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        self._connections.discard(connection)
        connection.close()

    # In the pool.

    def _hand_over(self, connection: Connection, seconds: float) -> None:
        """Let gunicorn serve the request, which must arrive within this time."""
        connection.limit_sends(READ_TIMEOUT_S)
        if len(self._handed_over) >= self._many_handed_over:
            seconds = min(seconds, _BUSY_READ_TIMEOUT_S)
        connection.deadline = time.monotonic() + seconds
        self._handed_over.add(connection)
        self.tpool.submit(self._serve_unusual, connection)

    def _serve_unusual(self, connection: Connection) -> None:
        """Let gunicorn read and serve the request."""
        keeps, connection.initialized, connection.parser = False, False, None
        connection.data_ready = True
        try:
            connection.init()
            connection.parser.unreader.unread(connection.received)
            keeps = self.handle(connection)
            connection.received = connection.parser.unreader.take_buffered()
        finally:
            self._handed_over.discard(connection)
            self._take_back(connection, keeps=keeps)

    def _take_back(self, connection: Connection, *, keeps: bool) -> None:
        """Serve the connection here again, or close it."""
        try:
            connection.sock.settimeout(0)
        except OSError:  # gunicorn has closed it
            self._close(connection)
            return
        if not keeps:
            self._linger(connection)
        elif connection.received:  # gunicorn has read ahead: the next request is served at once
            self._wait(connection, READ_TIMEOUT_S, select.EPOLLIN | select.EPOLLOUT)
        else:
            self._wait(connection, self._keepalive_s)
