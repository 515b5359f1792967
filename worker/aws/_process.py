"""A credential process of a profile, with bounds: of its time, and of what it prints.

The SDK waits for it for ever, and reads whatever it prints. Blocking: for a thread.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

from botocore.exceptions import CredentialRetrievalError

PROCESS_S_MAX = 60.0
_PRINTED_BYTES_MAX = 1 << 20
_LOOK_S = 0.05  # at whether it has ended: its last words may come before
_POLITE_S = 1.0  # between asking it to end and ending it
_PROVIDER = "credential_process"


class CredentialProcesses:
    """Starts them as the SDK would; all that still run can be ended, from any thread."""

    def __init__(self, *, is_at_terminal: bool) -> None:
        # One that asks a person needs the terminal, and so this process's own session.
        self._is_at_terminal = is_at_terminal
        self._running: set[CredentialProcess] = set()
        self._over = threading.Event()

    def start(self, command: Sequence[str], **_: Any) -> CredentialProcess:
        """Start one: instead of subprocess.Popen, whose interface the SDK uses."""
        if self._over.is_set():
            raise CredentialRetrievalError(provider=_PROVIDER, error_msg="the run has ended")
        if not command:
            raise CredentialRetrievalError(provider=_PROVIDER, error_msg="no command is named")
        process = CredentialProcess(command, is_at_terminal=self._is_at_terminal)
        self._running = {each for each in self._running if each.is_alive} | {process}
        if self._over.is_set():  # since then
            process.end()
        return process

    def end(self) -> None:
        """End those that run; no other is started."""
        self._over.set()
        for process in tuple(self._running):
            process.end()


class CredentialProcess:
    """As much of subprocess.Popen as the SDK uses."""

    def __init__(self, command: Sequence[str], *, is_at_terminal: bool) -> None:
        self._has_group = not is_at_terminal
        self._one_at_a_time = threading.Lock()  # so that nobody ends a process that is another's
        self._process = subprocess.Popen(
            command,
            stdin=None if is_at_terminal else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=self._has_group,
        )

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.returncode

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        with self._one_at_a_time:
            return self._process.poll() is None

    def communicate(self) -> tuple[bytes, bytes]:
        """Return what it printed, on stdout and on stderr, when it has ended.

        Raises CredentialRetrievalError when that takes too long, or is too long.
        """
        with self._process:  # waits for its end
            try:
                return self._read()
            except BaseException:  # nothing is hidden, it is raised on
                self.end()
                raise

    def end(self) -> None:
        """End it at once, and what it has started."""
        self._signal(signal.SIGKILL)

    def _read(self) -> tuple[bytes, bytes]:
        over_s = time.monotonic() + PROCESS_S_MAX
        process = self._process
        if process.stdout is None or process.stderr is None:
            raise RuntimeError("the process was started without pipes")
        texts = {process.stdout: bytearray(), process.stderr: bytearray()}
        with selectors.DefaultSelector() as selector:
            for pipe in texts:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map() or self.is_alive:
                if time.monotonic() >= over_s:
                    raise self._too_long()
                self._read_some(selector, texts)
        return bytes(texts[process.stdout]), bytes(texts[process.stderr])

    def _read_some(
        self, selector: selectors.BaseSelector, texts: dict[IO[bytes], bytearray]
    ) -> None:
        if not selector.get_map():
            time.sleep(_LOOK_S)
            return
        for key, _ in selector.select(_LOOK_S):
            pipe: Any = key.fileobj
            if read := os.read(pipe.fileno(), 1 << 16):
                texts[pipe] += read
            else:
                selector.unregister(pipe)
            if len(texts[pipe]) > _PRINTED_BYTES_MAX:
                raise CredentialRetrievalError(
                    provider=_PROVIDER, error_msg=f"it prints over {_PRINTED_BYTES_MAX} bytes"
                )

    def _too_long(self) -> CredentialRetrievalError:
        self._signal(signal.SIGTERM)
        over_s = time.monotonic() + _POLITE_S
        while self.is_alive and time.monotonic() < over_s:
            time.sleep(_LOOK_S)
        message = f"it did not end within {PROCESS_S_MAX:.0f} s, so it was ended"
        return CredentialRetrievalError(provider=_PROVIDER, error_msg=message)

    def _signal(self, number: int) -> None:
        with self._one_at_a_time:
            if self._process.poll() is None:
                with suppress(ProcessLookupError, PermissionError):
                    if self._has_group:
                        os.killpg(self._process.pid, number)
                    else:
                        self._process.send_signal(number)
