"""The threads of the local engine: failures, interrupts, parallelism."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback

import pytest

from raskal import compute, delayed


def fail():
    raise LookupError("nothing there")


@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_the_users_exception_comes_back_with_its_line_and_the_task(scheduler):
    broken = delayed(str)(delayed(fail)(dask_key_name="the-key"))
    with pytest.raises(LookupError, match="nothing there") as caught:
        broken.compute(scheduler=scheduler)
    text = "".join(traceback.format_exception(caught.value))
    assert 'raise LookupError("nothing there")' in text
    assert "in task the-key, made at" in text
    assert "test_engine.py" in text
    assert delayed(len)("abc").compute(scheduler=scheduler) == 3


def test_tasks_run_at_the_same_time_on_different_threads():
    barrier = threading.Barrier(2, timeout=30)

    def meet():
        barrier.wait()
        return threading.get_ident()

    first, second = compute(delayed(meet)(), delayed(meet)(), num_workers=2)
    assert first != second


def test_the_number_of_threads_is_checked():
    with pytest.raises(ValueError, match="num_workers"):
        compute(delayed(1), num_workers=0)


def test_values_are_forgotten_as_soon_as_nobody_needs_them():
    alive, most = [0], [0]

    class Large:
        def __init__(self):
            alive[0] += 1
            most[0] = max(most[0], alive[0])

        def __del__(self):
            alive[0] -= 1

    chains = [delayed(id)(delayed(lambda: Large())()) for _ in range(50)]
    compute(*chains, scheduler="synchronous")
    assert most[0] <= 3
    assert alive[0] == 0


INTERRUPTED = """
import os, time
from raskal import compute, delayed
def wait():
    os.write(1, b"running\\n")  # in one piece, whichever threads write at the same time
    for _ in range(600):
        time.sleep(0.05)
try:
    compute(*[delayed(wait)() for _ in range(4)])
except KeyboardInterrupt:
    print("interrupted", delayed(sum)([1, 2]).compute(scheduler="synchronous"), flush=True)
"""


def test_an_interrupt_stops_a_computation_and_leaves_the_process_usable():
    """The exception must arrive at once; the process still computes afterwards."""
    child = subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "running\n"
    begun = time.monotonic()
    os.kill(child.pid, signal.SIGINT)
    answer = next(line for line in child.stdout if line != "running\n")
    assert answer == "interrupted 3\n"
    assert time.monotonic() - begun < 10
    child.kill()
    child.wait()


ENDLESS = """
import os, time
from raskal import compute, delayed
ended = []
def count():
    os.write(1, b"running\\n")
    number = 0
    try:
        while True:
            number += 1
    finally:
        ended.append(number)
try:
    compute(*[delayed(count)() for _ in range(2)], num_workers=2)
except KeyboardInterrupt:
    # The threads are there for what comes next, and nothing is raised in it.
    print("interrupted", compute(*[delayed(sum)([n, 1]) for n in range(50)], num_workers=2)[-1], flush=True)
    while len(ended) < 2:
        time.sleep(0.01)
"""


def test_an_interrupt_ends_tasks_that_never_would():
    """Pure Python without an end: its threads raised the interrupt nowhere, and the process aborted when it ended."""
    child = subprocess.Popen([sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert [child.stdout.readline() for _ in range(2)] == ["running\n"] * 2
    os.kill(child.pid, signal.SIGINT)
    assert child.stdout.read() == "interrupted 50\n"
    assert child.wait(60) == 0


def test_a_forked_child_starts_threads_of_its_own():
    assert compute(delayed(1) + 1)[0] == 2
    code = "import os\nfrom raskal import delayed\nassert (delayed(1) + 1).compute() == 2\n"
    code += "pid = os.fork()\nif pid == 0:\n    os._exit(0 if (delayed(2) + 1).compute() == 3 else 1)\n"
    code += "assert os.waitpid(pid, 0)[1] == 0\n"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_linear_algebra_runs_on_one_thread_while_tasks_run_on_several():
    import numpy as np
    from threadpoolctl import threadpool_info

    def threads():
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    np.dot(np.ones((2, 2)), np.ones((2, 2)))
    before = threads()
    assert delayed(threads)().compute(num_workers=2) == {1}
    assert threads() == before
