"""Ends a pass of llama.cpp early: a flag that the library looks at between two operations.

Source: `ggml_abort_callback` in ggml.h, `bool (*)(void *)`. Knows nothing of models.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_LOOK_UP_S = 0.01

_GO_ON, _STOP = b"\0", b"\1"


class PassFlag:
    """Tells one context of llama.cpp whether its running pass is still wanted."""

    def __init__(self, library: Any, context: Any) -> None:
        # The library asks some thousand times a pass. A Python function would wait for the
        # interpreter each time; the length of a text in C is no for an empty one, else yes.
        self._flag = ctypes.create_string_buffer(_GO_ON, 2)
        c_library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
        library.llama_set_abort_callback(
            context,
            ctypes.cast(c_library.strlen, ctypes.c_void_p),
            ctypes.cast(self._flag, ctypes.c_void_p),
        )

    @contextmanager
    def watch(self, ask: Callable[[], bool]) -> Iterator[None]:
        """Set the flag as soon as `ask` says so; asked every ten milliseconds, in a thread."""
        is_over = threading.Event()

        def look_up() -> None:
            while not is_over.wait(_LOOK_UP_S):
                if ask():
                    self._flag[0] = _STOP
                    return

        thread = threading.Thread(target=look_up, name="zeta-context-llama-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
            self._flag[0] = _GO_ON
