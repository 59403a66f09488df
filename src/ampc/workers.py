"""Work shared out to processes that neither outlive their parent nor hide that they died."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from ampc.errors import AmpcError

Item = TypeVar("Item")
Result = TypeVar("Result")

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_in_processes(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int | None = None,
    prepare: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
    follow: Callable[[Result], Sequence[Item]] | None = None,
) -> Iterator[Result]:
    """Do a piece of work for every item, in fresh processes with one thread each.

    Args:
        work: A function of a module, called with one item in a worker process.
        items: Pickled and sent to the workers.
        workers: Number of processes; None for one a core.
        prepare: Called in every worker once, before its first item.
        arguments: Of `prepare`.
        follow: Further items that can be begun once there is this result.

    Yields:
        Results in the order in which they are finished.

    Raises:
        AmpcError: If a worker process died.
        BaseException: Whatever `work` raised first, or Ctrl-C; items not begun by then are dropped.
    """
    if not items:
        return
    context = multiprocessing.get_context("spawn")  # forked copies of threaded libraries can hang
    size = workers or count_cores()
    if follow is None:
        size = min(size, len(items))
    with (
        _environment(_ONE_THREAD),
        ProcessPoolExecutor(size, context, _start_worker, (prepare, arguments)) as pool,
    ):
        try:
            with _interrupts_held_back():
                running = {pool.submit(work, item) for item in items}
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    result = future.result()
                    if follow is not None:
                        with _interrupts_held_back():
                            running |= {pool.submit(work, item) for item in follow(result)}
                    yield result
        except BrokenProcessPool as error:
            raise AmpcError(
                "a worker process died, perhaps killed for want of memory. What is finished is kept; run the"
                " same again to go on, with fewer workers if it happens again. (A script of your own must"
                " make this call below `if __name__ == '__main__':`.)"
            ) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _start_worker(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if prepare is not None:
        prepare(*arguments)


def _die_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C reaches the parent after the block, and processes started inside not even while they import."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Environment variables for the processes started inside the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
