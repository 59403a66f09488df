"""Ctrl-C in verbs whose pieces of work take many minutes."""

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Ctrl-C in this block does not wait for what its processes are at: it ends them.

    For work that survives being killed at any moment, such as cells: their results are written last, and what
    takes long has checkpoints.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        for child in multiprocessing.active_children():
            child.terminate()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # Ctrl-C is not for this one
        yield
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
