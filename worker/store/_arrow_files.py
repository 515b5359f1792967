"""Opening a file for Arrow: a refusal is in the system's words; nothing but a file is opened."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Literal

import pyarrow as pa


def open_to_read(path: Path) -> pa.NativeFile:
    """Open a file to be read by ranges. Raises OSError.

    So does what is no file, a pipe say: opened, it would wait for its other end, and no signal
    would end the wait.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        kind = "a folder" if path.is_dir() else "a pipe, a device or a socket"
        raise OSError(errno.EINVAL, f"it is {kind}, and not a file", str(path))
    return _opened(path, "rb")


def open_to_write(path: Path) -> pa.NativeFile:
    """Open a file anew, to be written. Raises OSError."""
    return _opened(path, "wb")


def _opened(path: Path, mode: Literal["rb", "wb"]) -> pa.NativeFile:
    try:
        # A name need not be UTF-8, and Arrow takes any as bytes.
        return pa.OSFile(os.fsencode(path), mode)  # type: ignore[arg-type] # the stubs know no bytes
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from None
