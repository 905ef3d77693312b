"""How the processes of the book end: all of them, with the one that started them, however that ends.

A process that is interrupted or terminated ends what it has started. One that is killed cannot, so those that it has
started watch for its end: a chapter, a worker, a command within a chapter. (A kernel watches by itself: ipykernel.)
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing import parent_process

import psutil

PARENT = "DAN_BOOK_PARENT"  # environment variable: the process that started this command, and shall not be survived


def end(pid: int | None = None) -> None:
    """Kill a process and everything that it has started; pid None: everything that this process has started."""
    try:
        process = psutil.Process(pid)
        every = [*([] if pid is None else [process]), *process.children(recursive=True)]
    except psutil.Error:
        return
    for process in every:
        with contextlib.suppress(psutil.Error):
            process.kill()


def end_when(wait: Callable) -> None:
    """From now on: when `wait()` returns, in a thread, everything that this process has started ends, then itself."""

    def follow():
        wait()
        end()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def follow_parent() -> None:
    """For a process made by `multiprocessing`: leave interrupts to the parent, and end when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # see `delayed`; children would inherit it
    end_when(parent_process().join)


def follow_named_parent() -> None:
    """For a command: end when the process that `PARENT` names does, if that has started it."""
    parent = os.getppid()
    if os.environ.get(PARENT) == str(parent):

        def wait():
            while os.getppid() == parent:
                time.sleep(0.5)

        end_when(wait)


@contextlib.contextmanager
def delayed(*signals):
    """These signals are delivered afterwards; processes and threads started within it have them blocked."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@contextlib.contextmanager
def terminated_like_interrupted():
    """SIGTERM (`kill`, a batch system) and SIGHUP (a closed terminal) raise KeyboardInterrupt, as Ctrl-C does."""

    def stop(*_):
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores it
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
