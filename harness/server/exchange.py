"""Two folders change places in one step, so that there is no moment at which one is missing.

Python has no call for it. Nothing here knows what is in them.

Source: Linux, renameat2(2); macOS, renamex_np(2).
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_RENAME_SWAP = 2


def exchange(one: Path, other: Path) -> bool:
    """Let two existing paths change places; return False where the system cannot do that."""
    paths = os.fsencode(one), os.fsencode(other)
    try:
        libc = ctypes.CDLL(None)
        if sys.platform == "darwin":
            status = libc.renamex_np(*paths, ctypes.c_uint(_RENAME_SWAP))
        else:
            status = libc.renameat2(
                _AT_FDCWD, paths[0], _AT_FDCWD, paths[1], ctypes.c_uint(_RENAME_EXCHANGE)
            )
    except (AttributeError, OSError, TypeError):  # no such call; no such library
        return False
    return bool(status == 0)
