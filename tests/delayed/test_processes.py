"""scheduler="processes": results, values, failures and deaths, with real processes."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import numpy as np
import pandas as pd
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raskal
import raskal.array as da
import raskal.dataframe as dd
from raskal import delayed, persist
from raskal.exceptions import KilledWorker


def compute(*collections, num_workers=2):
    return raskal.compute(*collections, scheduler="processes", num_workers=num_workers)


def children():
    """The executor processes of this one."""
    return [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


def run_script(script, **options):
    line = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False, **options)


@dataclasses.dataclass
class Point:
    x: object
    y: object


class Trouble(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text

    def __reduce__(self):
        return Trouble, (self.code, self.text)


def raise_trouble(x):
    raise Trouble(x, "no good")  # the user's line


def test_tasks_run_in_other_processes_which_are_kept(tmp_path):
    def meet(name):
        # Both must run at the same time: each waits for the other's file.
        (tmp_path / name).touch()
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.001)
        return os.getpid()

    pids = compute(delayed(meet)("a"), delayed(meet)("b"))
    assert len(set(pids)) == 2
    assert os.getpid() not in pids
    again = compute(*[delayed(os.getpid)() for _ in range(10)])
    assert set(again) <= set(pids)


def test_multiprocessing_is_another_name_and_settings_choose_it():
    assert raskal.compute(delayed(os.getpid)(), scheduler="multiprocessing", num_workers=1)[0] != os.getpid()
    with raskal.config.set(scheduler="processes", num_workers=1):
        assert delayed(os.getpid)().compute() != os.getpid()
    assert delayed(os.getpid)().compute(scheduler="sync") == os.getpid()


def test_the_number_of_processes_is_checked():
    with pytest.raises(ValueError, match="num_workers"):
        compute(delayed(1), num_workers=0)


@settings(max_examples=20, deadline=None)
@given(
    values=st.lists(st.integers() | st.floats(allow_nan=False) | st.text() | st.none() | st.booleans(), max_size=8),
    fan=st.integers(1, 9),
)
def test_results_are_those_of_the_calling_thread(values, fan):
    pair = delayed(lambda value, number: [value, number])
    group = delayed(lambda *parts: {"parts": list(parts)})
    leaves = [pair(value, number) for number, value in enumerate(values)]
    groups = [group(*leaves[at : at + fan]) for at in range(0, len(leaves), fan)]
    lazy = delayed(lambda groups, more: (groups, more))(groups, {"all": leaves})
    assert compute(lazy)[0] == lazy.compute(scheduler="synchronous")


def test_lambdas_closures_and_classes_of_main_work():
    ended = run_script(
        """
        import dataclasses
        from raskal import compute, delayed

        @dataclasses.dataclass
        class Point:
            x: int

        class Wrong(Exception):
            pass

        base = 10
        def shift(point):
            return Point(point.x + base)
        def fail():
            raise Wrong("as expected")

        points = compute(*[delayed(shift)(Point(n)) for n in range(3)], scheduler="processes", num_workers=1)
        assert points == (Point(10), Point(11), Point(12)), points
        assert delayed(lambda: (lambda n: n + base)(1))().compute(scheduler="processes", num_workers=1) == 11
        try:
            delayed(fail)().compute(scheduler="processes", num_workers=1)
        except Wrong as error:
            print(error)
        """
    )
    assert (ended.stdout, ended.stderr) == ("as expected\n", "")


@pytest.mark.parametrize("length", [0, 1, 1_000, 40_000, 3_000_000])
@pytest.mark.parametrize("dtype", ["float64", "complex128", "datetime64[s]", "S3"])
def test_arrays_of_all_sizes_arrive_identical_and_writable(length, dtype):
    def make(length):
        return np.arange(length).astype("int64").astype(dtype)

    def change(array):
        before = array.copy()
        array[...] = array[::-1].copy()
        return before

    made = delayed(make)(length)
    changes = [delayed(change)(made) for _ in range(3)]
    # Each task may write to its input: no other sees it, nor does the result.
    for array in compute(made, *changes):
        np.testing.assert_array_equal(array, make(length))
        assert array.dtype == make(length).dtype
        array[...] = np.zeros(1, array.dtype)


def test_arrays_that_are_no_plain_block_arrive_as_they_are():
    values = {
        "fortran": np.asfortranarray(np.arange(600_000.0).reshape(600, 1000)),
        "masked": np.ma.masked_greater(np.arange(100_000.0), 5),
        "big endian": np.arange(100_000, dtype=">i4"),
        "slices": [np.arange(200_000.0)[::2], np.arange(10)[3:]],
        "table": pd.DataFrame({"a": np.arange(200_000), "b": [f"name {n % 7}" for n in range(200_000)]}),
    }
    results = compute(*[delayed(lambda value: value)(delayed(value)) for value in values.values()])
    for value, result in zip(values.values(), results, strict=True):
        assert type(result) is type(value)
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(result, value)
            result["a"] += 1
        else:
            np.testing.assert_equal(result, value)
    assert results[0].flags.f_contiguous


def test_a_large_value_passes_through_many_tasks_without_leaving_files_open():
    def files():
        return psutil.Process().num_fds()

    def through():
        value = delayed(np.ones)(200_000)
        for _ in range(20):
            value = delayed(np.add)(value, 1)
        (total,) = compute(delayed(np.sum)(value))
        assert total == 21 * 200_000

    through()
    before = files()
    for _ in range(5):
        through()
    assert files() <= before + 2


def test_containers_and_dataclasses_of_lazy_values_are_computed():
    one = delayed(lambda: 1)()
    (result,) = compute({"a": [one, (one, {one})], "p": Point(one, {"q": one})})
    assert result == {"a": [1, (1, {1})], "p": Point(1, {"q": 1})}


def test_compute_inside_a_task_runs_in_its_process():
    def inner():
        pids = raskal.compute(*[delayed(os.getpid)() for _ in range(3)], scheduler="processes")
        return os.getpid(), set(pids)

    pid, pids = compute(delayed(inner)())[0]
    assert pid != os.getpid()
    assert pids == {pid}


def test_persisted_values_are_used_again():
    kept, other = persist(
        delayed(np.arange)(100_000.0), delayed(lambda: {"n": 1})(), scheduler="processes", num_workers=2
    )
    assert compute(kept.sum(), other["n"]) == (4999950000.0, 1)
    assert kept.sum().compute(scheduler="threads") == 4999950000.0
    np.testing.assert_array_equal(kept.compute(scheduler="sync"), np.arange(100_000.0))


def test_arrays_give_numpys_answers():
    values = np.random.default_rng(1).random((400, 300))
    x = da.from_array(values, chunks=(100, 75))
    y = x.map_blocks(lambda block: block**2 + 1)
    total, part, same = compute((y.T @ y).sum(), y[::7, 5].rechunk(10), x)
    expected = values**2 + 1
    np.testing.assert_allclose(total, (expected.T @ expected).sum())
    np.testing.assert_allclose(part, expected[::7, 5])
    np.testing.assert_array_equal(same, values)


def test_dataframes_give_pandas_answers(tmp_path):
    frame = pd.DataFrame({"k": np.arange(1000) % 7, "v": np.arange(1000.0)})
    frame.to_csv(tmp_path / "a.csv", index=False)
    df = dd.read_csv(str(tmp_path / "*.csv"))
    mapped = df.map_partitions(lambda part: part.assign(w=part.v * 2))
    groups, rows = compute(df.groupby("k").v.mean(), mapped)
    pd.testing.assert_series_equal(groups, frame.groupby("k").v.mean())
    pd.testing.assert_frame_equal(rows.reset_index(drop=True), frame.assign(w=frame.v * 2), check_dtype=False)


def test_a_tasks_own_exception_comes_back_with_key_line_and_traceback():
    lazy = delayed(sum)([delayed(raise_trouble)(7, dask_key_name="the-key"), 1])
    with pytest.raises(Trouble) as caught:
        compute(lazy)
    assert (caught.value.code, caught.value.text) == (7, "no good")
    shown = "".join(traceback.format_exception(caught.value))
    assert "# the user's line" in shown
    assert "in task the-key, made at" in shown
    assert "test_processes.py" in shown
    assert compute(delayed(abs)(-1)) == (1,)


def test_what_can_not_be_pickled_is_told_with_its_task():
    lock = threading.Lock()

    def holds_a_lock():
        return lock

    with pytest.raises(TypeError, match="holds_a_lock"):
        compute(delayed(holds_a_lock)())
    with pytest.raises(TypeError, match="cannot send an argument of str to another process"):
        compute(delayed(str)(lock))
    with pytest.raises(TypeError, match=r"can't leave its process: cannot serialise _thread\.lock(.|\n)*make-lock"):
        compute(delayed(threading.Lock)(dask_key_name="make-lock"))
    (kept,) = persist(delayed(threading.Lock)(), scheduler="synchronous")
    with pytest.raises(TypeError, match=r"can't be given to another process|cannot send"):
        compute(delayed(str)(kept))
    assert compute(delayed(abs)(-1)) == (1,)


@pytest.mark.parametrize(
    ("death", "how"),
    [
        (lambda: os._exit(3), "ended with exit code 3"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed (signal 9, SIGKILL)"),
        (lambda: signal.raise_signal(signal.SIGSEGV), "died of signal 11 (SIGSEGV)"),
    ],
)
def test_a_task_that_kills_its_process_three_times_is_named_and_others_are_unharmed(death, how):
    def die():
        os.write(2, b"famous last words\n")
        death()

    others = [delayed(abs)(-n) for n in range(50)]
    deadly = delayed(die)(dask_key_name="deadly-task")
    with pytest.raises(KilledWorker) as caught:
        compute(*others, deadly, *others)
    text = str(caught.value)
    assert text.count(how) == 3
    assert "famous last words" in text
    assert "in task deadly-task, made at" in text
    assert "test_processes.py" in text
    assert compute(*others) == tuple(range(50))


def test_a_task_whose_process_dies_once_is_run_again_and_changes_no_result(tmp_path):
    def die_once(n):
        marker = tmp_path / str(n)
        if n % 10 == 0 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return n

    assert compute(*[delayed(die_once)(n) for n in range(30)]) == tuple(range(30))
    assert len(list(tmp_path.iterdir())) == 3


def test_tasks_behind_a_long_one_go_to_another_process(tmp_path):
    """Short tasks are sent in batches; one of them that turns out long must not keep those behind it."""

    def quick(n):
        (tmp_path / str(n)).touch()

    def wait_for_all():
        end = time.monotonic() + 30
        while len(os.listdir(tmp_path)) < 400:
            if time.monotonic() > end:
                raise TimeoutError(f"only {len(os.listdir(tmp_path))} others ran")
            time.sleep(0.001)

    before, behind = ([delayed(quick)(n) for n in numbers] for numbers in (range(200), range(200, 400)))
    compute(*before, delayed(wait_for_all)(), *behind)


def test_processes_that_died_while_idle_are_replaced():
    pids = compute(*[delayed(os.getpid)() for _ in range(4)])
    for process in children():
        process.kill()
        process.wait()
    again = compute(*[delayed(os.getpid)() for _ in range(4)])
    assert not set(pids) & set(again)


def test_processes_that_can_not_start_are_told():
    ended = run_script(
        """
        import sys
        from raskal import delayed
        sys.executable = "/bin/false"
        try:
            delayed(abs)(-1).compute(scheduler="processes")
        except OSError as error:
            print(error)
        sys.executable = "/nowhere/python"
        try:
            delayed(abs)(-1).compute(scheduler="processes")
        except OSError as error:
            print(error)
        """
    )
    assert "executor processes die before they run a task" in ended.stdout, ended.stderr
    assert "ended with exit code 1" in ended.stdout
    assert "cannot start an executor process: No such file" in ended.stdout


def test_an_interrupt_stops_at_once_and_ends_what_runs():
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
                import os, time
                from raskal import compute, delayed
                def wait():
                    os.write(1, f"{os.getpid()}\\n".encode())
                    while True:
                        time.sleep(1)
                try:
                    compute(*[delayed(wait)() for _ in range(4)], scheduler="processes", num_workers=2)
                except KeyboardInterrupt:
                    print("interrupted", time.monotonic(), flush=True)
                print(compute(delayed(abs)(-1), scheduler="processes", num_workers=2), flush=True)
                """
            ),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    running = [psutil.Process(int(child.stdout.readline())) for _ in range(2)]
    begun = time.monotonic()
    os.kill(child.pid, signal.SIGINT)
    word, when = child.stdout.readline().split()
    assert word == "interrupted"
    assert float(when) - begun < 2
    gone, alive = psutil.wait_procs(running, timeout=20)
    assert not alive
    assert child.stdout.read() == "(1,)\n"
    assert child.wait(30) == 0


def test_processes_end_with_the_interpreter():
    ended = run_script(
        """
        import os
        from raskal import compute, delayed
        print(*set(compute(*[delayed(os.getpid)() for _ in range(20)], scheduler="processes", num_workers=2)))
        """
    )
    pids = [int(pid) for pid in ended.stdout.split()]
    assert pids, ended.stderr
    assert ended.stderr == ""
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_processes_end_when_their_parent_is_killed_though_a_child_of_it_lives():
    """A forked child holds the pipes open as well; the system tells the processes all the same."""
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                """
                import os, signal, time
                from raskal import delayed
                pid = delayed(os.getpid)().compute(scheduler="processes", num_workers=1)
                fork = os.fork()
                if fork == 0:
                    while True:
                        time.sleep(1)
                print(pid, fork, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
                """
            ),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    pid, fork = map(int, child.stdout.readline().split())
    child.wait()
    try:
        gone, alive = psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20)
        assert not alive
        assert psutil.pid_exists(fork)
    finally:
        os.kill(fork, signal.SIGKILL)


def test_a_forked_child_starts_processes_of_its_own():
    ended = run_script(
        """
        import os
        from raskal import delayed
        def pid():
            return delayed(os.getpid)().compute(scheduler="processes", num_workers=1)
        first = pid()
        fork = os.fork()
        if fork == 0:
            second = pid()
            os._exit(0 if second != first else 1)
        assert os.waitpid(fork, 0)[1] == 0
        assert pid() == first
        print("done")
        """
    )
    assert ended.stdout == "done\n", ended.stderr


def test_tasks_run_in_the_folder_that_the_caller_is_in(tmp_path, monkeypatch):
    assert compute(delayed(os.getcwd)()) == (os.getcwd(),)
    monkeypatch.chdir(tmp_path)
    assert compute(delayed(os.getcwd)()) == (str(tmp_path),)


def test_computations_of_several_threads_share_the_processes():
    results = {}

    def run(number):
        results[number] = compute(*[delayed(pow)(number, n) for n in range(50)])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: tuple(number**n for n in range(50)) for number in range(4)}
