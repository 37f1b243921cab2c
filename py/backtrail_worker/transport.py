# The I/O thread: the one owner of the socket. It says hello, beats, takes jobs in and sends answers out.
# Knows nothing of what a primitive means; never imports torch. Other threads reach it through `Link`
# methods only.
"""ZeroMQ DEALER in a thread of its own."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec
import zmq

from backtrail_worker.core.memory import resident_bytes
from backtrail_worker.intake import Call, Intake, salvage
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
from backtrail_worker.room import ChunkRoom
from backtrail_worker.seal import DamagedError, seal, unseal

WELCOME_DEADLINE_S = 120.0
LINGER_MS = 2000
# After a damaged message the worker says hello again, so that both sides send anew what the other lacks; so
# often at most.
HELLO_AGAIN_S = 1.0


class Link:
    """The worker's connection. `jobs` yields calls in order; None means that the loop must end."""

    def __init__(
        self, endpoint: str, hello: Callable[[list[Key]], Hello], leave: Callable[[int], None]
    ) -> None:
        self._outbox = Outbox()
        self._intake = Intake(self._outbox)
        self.jobs = self._intake.jobs
        self.running_job = ""
        self.done = 0.0
        # Bytes in use on GPUs as the main thread last saw them; 0 = none, resident memory counts.
        self.device_bytes = 0
        self.max_message_bytes = float("inf")
        self._endpoint = endpoint
        self._hello = hello
        self._leave = leave
        self._out: deque[tuple[str, Key, int, Frames]] = deque()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._room = ChunkRoom()
        self._welcomed = False
        self._heartbeat_s = 1.0
        self._worker = ""
        self._malformed = 0
        self._garbage_logged = 0.0
        self._hello_due = False
        self._hello_said = 0.0

    # ---- called by the main thread

    def start(self) -> None:
        """Starts the I/O thread (daemon: it never keeps the process alive)."""
        threading.Thread(target=self._guard, name="io", daemon=True).start()

    def begin(self, call: Call) -> bool:
        """Marks a call as running and tells the coordinator; False when it was cancelled while it waited."""
        if not self._intake.begin(call):
            return False
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
        self._room.enter(call)
        self._say(call, "chunk", message, frames, seq=message.seq)

    def finish(self, call: Call, message: Result | Error, frames: list[bytes]) -> None:
        """Queues the last word on a call; it is kept until acknowledged."""
        self._intake.finish(call)
        self.running_job = ""
        self._say(call, "fail" if isinstance(message, Error) else "final", message, frames)

    def _say(
        self, call: Call, how: str, message: FromWorker, frames: list[bytes] | None = None, seq: int = 0
    ) -> None:
        self._out.append((how, call.key, seq, seal([encode(message), *(frames or [])])))
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
        self._worker = self._hello([]).worker
        socket.setsockopt(zmq.ROUTING_ID, self._worker.encode())
        socket.setsockopt(zmq.LINGER, LINGER_MS)
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RECONNECT_IVL, 100)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 2000)
        socket.connect(self._endpoint)
        self._say_hello(socket)
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
            if self._hello_due and now - self._hello_said >= HELLO_AGAIN_S:
                self._say_hello(socket)
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
            if code is None and self._intake.draining and not self._out and self._intake.idle():
                self._post(socket, Bye(v=PROTOCOL_VERSION, worker=self._worker, reason="drained"))
                code = 0
        socket.close()
        context.term()
        self._leave(code)

    def _post(self, socket: zmq.Socket[bytes], message: FromWorker) -> None:
        socket.send_multipart(seal([encode(message)]))

    def _say_hello(self, socket: zmq.Socket[bytes]) -> None:
        self._hello_due, self._hello_said = False, time.monotonic()
        self._post(socket, self._hello(self._outbox.held()))

    def _beat(self, socket: zmq.Socket[bytes]) -> None:
        if not self._welcomed:
            return
        message = Heartbeat(
            v=PROTOCOL_VERSION,
            worker=self._worker,
            job=self.running_job,
            done=self.done,
            memory_bytes=float(self.device_bytes or resident_bytes()),
            malformed=self._malformed,
        )
        self._post(socket, message)

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
        self._room.left(key, len(messages), self._outbox.ended(key))

    def _send(self, socket: zmq.Socket[bytes], messages: list[Frames]) -> None:
        for frames in messages:
            socket.send_multipart(frames)

    def _receive(self, socket: zmq.Socket[bytes]) -> int | None:
        """Takes in all that has arrived; an exit code when the worker must leave."""
        while True:
            try:
                parts = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return None
            try:
                header, *frames = unseal(parts)
            except DamagedError as error:
                if (code := self._damaged(socket, parts, error)) is not None:
                    return code
                continue
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
                self._send(socket, self._intake.take(message, frames))
            case Ack(id=name, attempt=attempt, seq=int(seq)):
                self._let_out(socket, (name, attempt), self._outbox.consumed((name, attempt), seq))
            case Ack():
                self._intake.acknowledged(message)
            case Cancel():
                self._send(socket, self._intake.cancel((message.id, message.attempt)))
            case Welcome():
                self._welcomed = True
                self._heartbeat_s = message.heartbeat_ms / 1000
                self._outbox.window = message.chunk_window
                self.max_message_bytes = message.max_message_bytes
                self._send(socket, list(self._outbox.again()))
            case Rehello():
                self._say_hello(socket)
            case Reject():
                print(f"refused by the coordinator: {message.reason}", file=sys.stderr, flush=True)
                return 2
            case Drain():
                self._intake.draining = True
            case Shutdown():
                self._post(socket, Bye(v=PROTOCOL_VERSION, worker=self._worker, reason="shutdown"))
                return 0
        return None

    def _damaged(self, socket: zmq.Socket[bytes], parts: list[bytes], error: Exception) -> int | None:
        """What it was is unknown: a job, an acknowledgement. Hello makes the coordinator send it again."""
        # Version 1 had no checksum and so a single frame where ours has two.
        if len(parts) == 1 and self._foreign(salvage(parts[0])[0]):
            return 2
        self._malformed += 1
        self._hello_due = True
        self._complain(socket, f"dropped a message: {error}")
        return None

    def _garbage(self, socket: zmq.Socket[bytes], header: bytes, error: Exception) -> int | None:
        """A whole message that is not of the protocol: answers what can be answered, drops the rest."""
        version, key = salvage(header)
        if self._foreign(version):
            return 2
        self._malformed += 1
        if key is not None:
            if not self._intake.knows(key):
                self._send(socket, self._intake.refuse(key, "bad-request", f"job header: {error}", False))
            return None
        self._complain(socket, f"dropped a message that is not of the protocol: {error}")
        return None

    def _foreign(self, version: int | None) -> bool:
        # Once welcomed, the coordinator's version is known: what claims another is garbage.
        if self._welcomed or version in (None, PROTOCOL_VERSION):
            return False
        print(
            f"the coordinator speaks protocol {version}, this worker {PROTOCOL_VERSION}: "
            "install matching versions",
            file=sys.stderr,
            flush=True,
        )
        return True

    def _complain(self, socket: zmq.Socket[bytes], text: str) -> None:
        """One line a second at most: a flood of garbage must not fill the disk."""
        now = time.monotonic()
        if now - self._garbage_logged < 1.0:
            return
        self._garbage_logged = now
        print(text, file=sys.stderr, flush=True)
        self._post(socket, Log(v=PROTOCOL_VERSION, worker=self._worker, level="warning", text=text[:1000]))
