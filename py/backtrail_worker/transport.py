# The I/O thread: the one owner of the socket. It says hello, beats, takes jobs in and sends answers out.
# Knows nothing of what a primitive means; never imports torch. Other threads reach it through `Link`
# methods only.
"""ZeroMQ DEALER in a thread of its own."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec
import zmq

from backtrail_worker.core.memory import resident_bytes
from backtrail_worker.intake import Call, salvage
from backtrail_worker.outbox import Frames, Key, Outbox
from backtrail_worker.protocol import (
    PROTOCOL_VERSION,
    Accept,
    Ack,
    Bye,
    Cancel,
    Chunk,
    Drain,
    Error,
    FromWorker,
    Heartbeat,
    Hello,
    Job,
    Log,
    Progress,
    Rehello,
    Reject,
    Result,
    Shutdown,
    ToWorker,
    Welcome,
    decode_to_worker,
    encode,
)

WELCOME_DEADLINE_S = 120.0
LINGER_MS = 2000
# Chunks that may wait behind the window before the job itself waits.
CHUNKS_AHEAD = 16


class Link:
    """The worker's connection. `jobs` yields calls in order; None means that the loop must end."""

    def __init__(
        self, endpoint: str, hello: Callable[[list[Key]], Hello], leave: Callable[[int], None]
    ) -> None:
        self.jobs: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self.running_job = ""
        self.done = 0.0
        self.max_message_bytes = float("inf")
        self._endpoint = endpoint
        self._hello = hello
        self._leave = leave
        self._out: deque[tuple[str, Key, int, Frames]] = deque()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._calls: dict[Key, Call] = {}
        self._outbox = Outbox()
        self._unsent: dict[Key, int] = {}
        self._welcomed = False
        self._heartbeat_s = 1.0
        self._draining = False
        self._worker = ""
        self._garbage_logged = 0.0

    # ---- called by the main thread

    def start(self) -> None:
        """Starts the I/O thread (daemon: it never keeps the process alive)."""
        threading.Thread(target=self._guard, name="io", daemon=True).start()

    def begin(self, call: Call) -> bool:
        """Marks a call as running and tells the coordinator; False when it was cancelled while it waited."""
        with self._lock:
            if call.state != "queued":
                return False
            call.state = "running"
        self.running_job, self.done = call.job.id, 0.0
        self._say(call, "plain", Accept(v=PROTOCOL_VERSION, id=call.job.id, attempt=call.job.attempt))
        return True

    def progress(self, call: Call, done: float, total: float) -> None:
        """Tells how far the running call is."""
        self.done = done
        self._say(
            call,
            "plain",
            Progress(v=PROTOCOL_VERSION, id=call.job.id, attempt=call.job.attempt, done=done, total=total),
        )

    def chunk(self, call: Call, message: Chunk, frames: list[bytes]) -> None:
        """
        Queues a chunk; blocks while too many wait for the coordinator's acks. Returns early when cancelled.
        """
        with self._room:
            while self._unsent.get(call.key, 0) >= CHUNKS_AHEAD and not call.cancelled.is_set():
                self._room.wait(0.5)
            self._unsent[call.key] = self._unsent.get(call.key, 0) + 1
        self._say(call, "chunk", message, frames, seq=message.seq)

    def finish(self, call: Call, message: Result | Error, frames: list[bytes]) -> None:
        """Queues the last word on a call; it is kept until acknowledged."""
        with self._lock:
            call.state = "done"
        self.running_job = ""
        self._say(call, "fail" if isinstance(message, Error) else "final", message, frames)

    def _say(
        self, call: Call, how: str, message: FromWorker, frames: list[bytes] | None = None, seq: int = 0
    ) -> None:
        self._out.append((how, call.key, seq, [encode(message), *(frames or [])]))
        # A full pipe means that the thread is awake already.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"!")

    # ---- the I/O thread

    def _guard(self) -> None:
        try:
            self._run()
        except BaseException as error:
            print(f"the I/O thread failed: {error!r}", file=sys.stderr, flush=True)
            import traceback

            traceback.print_exc(file=sys.stderr)
            self._leave(1)

    def _run(self) -> None:
        context = zmq.Context()
        socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        hello = self._hello([])
        self._worker = hello.worker
        socket.setsockopt(zmq.ROUTING_ID, hello.worker.encode())
        socket.setsockopt(zmq.LINGER, LINGER_MS)
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RECONNECT_IVL, 100)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
        socket.connect(self._endpoint)
        socket.send(encode(hello))
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(self._wake_read, zmq.POLLIN)
        beat = time.monotonic() + self._heartbeat_s
        deadline = time.monotonic() + WELCOME_DEADLINE_S
        code: int | None = None
        while code is None:
            ready = dict(poller.poll(max(0, int((beat - time.monotonic()) * 1000))))
            if self._wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 65536)
            if socket in ready:
                code = self._receive(socket)
            self._flush(socket)
            now = time.monotonic()
            if now >= beat:
                beat = now + self._heartbeat_s
                self._beat(socket)
            if not self._welcomed and now > deadline:
                print(
                    f"no welcome from {self._endpoint} within {WELCOME_DEADLINE_S:.0f} s",
                    file=sys.stderr,
                    flush=True,
                )
                code = 3
            if code is None and self._draining and self._idle():
                socket.send(encode(Bye(v=PROTOCOL_VERSION, worker=self._worker, reason="drained")))
                code = 0
        socket.close()
        context.term()
        self._leave(code)

    def _idle(self) -> bool:
        return (
            not self._out and not self._outbox.held() and all(c.state == "done" for c in self._calls.values())
        )

    def _beat(self, socket: zmq.Socket[bytes]) -> None:
        if not self._welcomed:
            return
        message = Heartbeat(
            v=PROTOCOL_VERSION,
            worker=self._worker,
            job=self.running_job,
            done=self.done,
            memory_bytes=float(resident_bytes()),
        )
        socket.send(encode(message))

    def _flush(self, socket: zmq.Socket[bytes]) -> None:
        """Sends what the main thread has queued, chunks as far as the window lets them."""
        while self._out:
            how, key, seq, frames = self._out.popleft()
            if how == "plain":
                self._send(socket, [frames])
            elif how == "chunk":
                self._let_out(socket, key, self._outbox.chunk(key, seq, frames))
            elif how == "final":
                self._let_out(socket, key, self._outbox.final(key, frames))
            else:
                self._let_out(socket, key, self._outbox.fail(key, frames))

    def _let_out(self, socket: zmq.Socket[bytes], key: Key, messages: list[Frames]) -> None:
        """Sends messages of one call and tells a job that waits for room in the window."""
        self._send(socket, messages)
        with self._room:
            if self._outbox.ended(key):
                self._unsent.pop(key, None)
            elif key in self._unsent:
                self._unsent[key] = max(0, self._unsent[key] - len(messages))
            self._room.notify_all()

    def _send(self, socket: zmq.Socket[bytes], messages: list[Frames]) -> None:
        for frames in messages:
            socket.send_multipart(frames)

    def _receive(self, socket: zmq.Socket[bytes]) -> int | None:
        """Takes in all that has arrived; an exit code when the worker must leave."""
        while True:
            try:
                header, *frames = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return None
            try:
                message = decode_to_worker(header)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                code = self._garbage(socket, header, error)
            else:
                code = self._handle(socket, message, frames)
            if code is not None:
                return code

    def _handle(self, socket: zmq.Socket[bytes], message: ToWorker, frames: list[bytes]) -> int | None:
        match message:
            case Job():
                self._take(socket, message, frames)
            case Ack():
                self._acknowledged(socket, message)
            case Cancel():
                self._cancel(socket, (message.id, message.attempt))
            case Welcome():
                self._welcomed = True
                self._heartbeat_s = message.heartbeat_ms / 1000
                self._outbox.window = message.chunk_window
                self.max_message_bytes = message.max_message_bytes
                self._send(socket, list(self._outbox.again()))
            case Rehello():
                socket.send(encode(self._hello(self._outbox.held())))
            case Reject():
                print(f"refused by the coordinator: {message.reason}", file=sys.stderr, flush=True)
                return 2
            case Drain():
                self._draining = True
            case Shutdown():
                socket.send(encode(Bye(v=PROTOCOL_VERSION, worker=self._worker, reason="shutdown")))
                return 0
        return None

    def _take(self, socket: zmq.Socket[bytes], job: Job, frames: list[bytes]) -> None:
        call = Call(job, frames)
        if call.key in self._calls:
            # Delivered twice: what was already said about it is said again, nothing runs twice.
            self._send(socket, list(self._outbox.again(call.key)))
        elif self._draining:
            self._refuse(
                socket, call.key, "draining", "the worker is draining and takes no new job", retryable=True
            )
        else:
            self._calls[call.key] = call
            self.jobs.put(call)

    def _acknowledged(self, socket: zmq.Socket[bytes], message: Ack) -> None:
        key = (message.id, message.attempt)
        if isinstance(message.seq, int):
            self._let_out(socket, key, self._outbox.consumed(key, message.seq))
            return
        call = self._calls.get(key)
        if call is None or call.state == "done":
            self._outbox.forget(key)
            self._calls.pop(key, None)

    def _cancel(self, socket: zmq.Socket[bytes], key: Key) -> None:
        call = self._calls.get(key)
        if call is None:
            return
        call.cancelled.set()
        with self._lock:
            waiting = call.state == "queued"
            if waiting:
                call.state = "done"
        if waiting:
            self._refuse(socket, key, "cancelled", "cancelled before it started", retryable=False)

    def _refuse(self, socket: zmq.Socket[bytes], key: Key, code: str, text: str, retryable: bool) -> None:
        error = Error(
            v=PROTOCOL_VERSION,
            id=key[0],
            attempt=key[1],
            code=code,
            message=text,
            traceback="",
            retryable=retryable,
        )
        self._send(socket, self._outbox.fail(key, [encode(error)]))

    def _garbage(self, socket: zmq.Socket[bytes], header: bytes, error: Exception) -> int | None:
        """Answers what can be answered; drops the rest with one line a second at most."""
        version, key = salvage(header)
        if version not in (None, PROTOCOL_VERSION):
            print(
                f"the coordinator speaks protocol {version}, this worker {PROTOCOL_VERSION}: "
                "install matching versions",
                file=sys.stderr,
                flush=True,
            )
            return 2
        if key is not None:
            if key not in self._calls:
                self._refuse(socket, key, "bad-request", f"job header: {error}", retryable=False)
            return None
        now = time.monotonic()
        if now - self._garbage_logged >= 1.0:
            self._garbage_logged = now
            text = f"dropped a message that is not of the protocol: {error}"
            print(text, file=sys.stderr, flush=True)
            socket.send(
                encode(Log(v=PROTOCOL_VERSION, worker=self._worker, level="warning", text=text[:1000]))
            )
        return None
