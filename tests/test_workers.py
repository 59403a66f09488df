import os
import signal

import pytest

from ampc.errors import AmpcError, SettingsError
from ampc.workers import count_cores, run_in_processes

prepared = 0


def prepare(offset: int) -> None:
    global prepared
    prepared = offset


def square(number: int) -> tuple[int, int, str]:
    return prepared + number * number, os.getpid(), os.environ["OMP_NUM_THREADS"]


def fail(number: int) -> int:
    if number == 3:
        raise SettingsError("three is not allowed")
    return number


def die(number: int) -> int:
    os._exit(number)


def test_results_come_from_prepared_single_threaded_processes() -> None:
    before = dict(os.environ)
    results = list(run_in_processes(square, range(6), workers=2, prepare=prepare, arguments=(100,)))
    assert sorted(value for value, _, _ in results) == [100, 101, 104, 109, 116, 125]
    assert os.getpid() not in {process for _, process, _ in results}
    assert {threads for _, _, threads in results} == {"1"}
    assert dict(os.environ) == before


def interrupts_blocked(_: int) -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot be held back here")
def test_interrupts_reach_the_parent_and_never_a_worker_that_is_still_importing() -> None:
    assert list(run_in_processes(interrupts_blocked, [0, 1], workers=2)) == [True, True]
    assert not interrupts_blocked(0)


def test_an_error_in_a_worker_is_raised_here() -> None:
    with pytest.raises(SettingsError, match="three is not allowed"):
        list(run_in_processes(fail, range(5), workers=2))


def test_a_worker_that_dies_is_reported() -> None:
    with pytest.raises(AmpcError, match="a worker process died"):
        list(run_in_processes(die, [1], workers=1))


def test_no_work_needs_no_process() -> None:
    assert list(run_in_processes(fail, [])) == []
    assert count_cores() >= 1
