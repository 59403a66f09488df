"""Ctrl-C while processes are at something long."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from ampc.cli.stopping import stopping_at_once
from ampc.workers import run_in_processes

LONG = 60.0


def work(folder: Path) -> None:
    (folder / "begun").write_text(str(os.getpid()))
    time.sleep(LONG)
    (folder / "done").touch()


def interrupt_once(begun: Path) -> None:
    while not (begun.exists() and begun.read_text()):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_ends_work_instead_of_waiting_for_it(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    threading.Thread(target=interrupt_once, args=(tmp_path / "begun",), daemon=True).start()
    with pytest.raises(KeyboardInterrupt), stopping_at_once():
        list(run_in_processes(work, [tmp_path], workers=1))
    assert not (tmp_path / "done").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "begun").read_text()), 0)
    assert signal.getsignal(signal.SIGINT) is before
