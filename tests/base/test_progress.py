"""Progress bars: what is drawn, where, when, and that a broken output never breaks a computation."""

from __future__ import annotations

import gc
import io
import sys
import threading
import types

import pytest

from raskal.diagnostics import ProgressBar
from raskal.diagnostics._progress_html import as_html
from raskal.diagnostics.progress import Progress, active


class Terminal(io.StringIO):
    """A terminal that understands what the bar sends: carriage return, cursor up, erase below."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        lines, row, column, text = [""], 0, 0, self.getvalue()
        while text:
            if text.startswith("\x1b["):
                end = next(i for i, c in enumerate(text[2:], 2) if c.isalpha())
                count = int(text[2:end] or 1)
                if text[end] == "A":
                    row -= count
                elif text[end] == "J":
                    lines[row:] = [lines[row][:column]]
                else:
                    raise AssertionError(f"unknown sequence {text[: end + 1]!r}")
                text = text[end + 1 :]
                continue
            if text[0] == "\r":
                column = 0
            elif text[0] == "\n":
                row, column = row + 1, 0
                lines.extend([""] * (row + 1 - len(lines)))
            else:
                lines[row] = lines[row][:column].ljust(column) + text[0] + lines[row][column + 1 :]
                column += 1
            text = text[1:]
        return lines


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def bar_with(clock, out, **options):
    bar = ProgressBar(out=out, **options)
    bar._clock = clock
    return bar


LAYERS = [("read-csv-aa11bb22", 4, 4), ("sum-chunk-0011aabb", 1, 4), ("sum-aggregate-0011aabb", 0, 1), ("rest", 0, 1)]


def test_terminal_shows_the_bar_the_layer_at_work_and_the_time_left(clock):
    terminal = Terminal()
    with bar_with(clock, terminal, width=10):
        computation = active()
        clock.now += 2
        computation.update(5, 10, LAYERS)
        assert terminal.screen() == [
            "[#####     ] |  50% Completed | 2.00 s | 2.00 s left",
            "  sum-chunk  ━━━╌╌╌╌╌╌╌╌╌  1/4",
            "  and 2 more layers",
        ]
        clock.now += 2
        computation.update(9, 10, [*LAYERS[:1], ("sum-chunk-0011aabb", 4, 4), *LAYERS[2:]])
        assert terminal.screen()[1:] == ["  sum-aggregate  ╌╌╌╌╌╌╌╌╌╌╌╌  0/1", "  and 1 more layer"]
        computation.finish()
    assert terminal.screen() == ["[##########] | 100% Completed | 4.00 s", ""]


def test_drawings_replace_one_another_whatever_their_height(clock):
    terminal = Terminal()
    terminal.write("before\n")
    with bar_with(clock, terminal, dt=0):
        computation = active()
        for at_work in (3, 9, 1, 0):
            clock.now += 1
            computation.update(5, 100, [(f"layer-{i}", 1, 2) for i in range(at_work)])
            assert len(terminal.screen()) == 2 + min(at_work, 6) + (at_work > 6)
        computation.finish()
    screen = terminal.screen()
    assert screen[0] == "before"
    assert len(screen) == 3


def test_narrow_terminal_never_wraps(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    with bar_with(clock, terminal):
        computation = active()
        clock.now += 1
        computation.update(5, 10, [("a-very-long-name-of-a-layer-that-never-ends", 1, 2)])
        assert max(map(len, terminal.screen())) < 40


def test_file_that_was_asked_for_gets_one_line_that_is_rewritten(clock):
    out = io.StringIO()
    with bar_with(clock, out, width=4):
        computation = active()
        for done in (1, 2):
            clock.now += 1
            computation.update(done, 4, LAYERS)
        computation.finish()
    drawn = [line.rstrip() for line in out.getvalue().split("\r")]
    assert drawn == [
        "",
        "[#   ] |  25% Completed | 1.00 s | 3.00 s left",
        "[##  ] |  50% Completed | 2.00 s | 2.00 s left",
        "[####] | 100% Completed | 2.00 s",
    ]
    assert out.getvalue().endswith("\n")


def test_nothing_is_written_where_nobody_looks(clock, monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    with bar_with(clock, None) as bar:
        computation = active()
        clock.now += 3
        computation.update(1, 2)
        computation.finish()
    assert out.getvalue() == ""
    assert bar.last_duration == 3


def test_standard_output_that_is_a_terminal_is_used(clock, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    with bar_with(clock, None):
        active().finish()
    assert "100% Completed" in terminal.getvalue()


def test_short_computations_are_not_shown(clock):
    out = io.StringIO()
    with bar_with(clock, out, minimum="1s") as bar:
        computation = active()
        clock.now += 0.9
        computation.update(1, 2)
        computation.finish()
        assert out.getvalue() == ""
        assert bar.last_duration == pytest.approx(0.9)
        longer = active()
        clock.now += 1.1
        longer.update(1, 2)
        assert "50%" in out.getvalue()
        longer.finish()


def test_drawings_are_apart_by_dt(clock):
    out = io.StringIO()
    with bar_with(clock, out, dt="500ms"):
        computation = active()
        for done in range(1, 11):
            clock.now += 0.1
            computation.update(done, 100)
        assert out.getvalue().count("\r") == 2
        computation.finish()


def test_failed_computation_says_that_it_stopped_and_where(clock):
    out = io.StringIO()
    with bar_with(clock, out, width=4):
        computation = active()
        clock.now += 1
        computation.update(1, 2)
        computation.finish(failed=True)
        computation.update(2, 2)
    assert out.getvalue().split("\r")[-1].rstrip() == "[##  ] |  50% Completed | 1.00 s | stopped"


def test_dropped_computation_counts_as_stopped_and_frees_the_bar(clock):
    out = io.StringIO()
    with bar_with(clock, out):
        computation = active()
        computation.update(1, 2)
        assert active() is None
        del computation
        gc.collect()
        assert "stopped" in out.getvalue()
        assert active() is not None


def test_computation_inside_another_is_not_drawn_over_it(clock):
    out = io.StringIO()
    with bar_with(clock, out):
        outer = active()
        seen = []
        thread = threading.Thread(target=lambda: seen.append(active()))
        thread.start()
        thread.join()
        assert seen == [None]
        outer.finish()
        assert active() is not None


def test_innermost_bar_is_drawn(clock):
    outer, inner = io.StringIO(), io.StringIO()
    with bar_with(clock, outer):
        with bar_with(clock, inner):
            active().finish()
        assert (bool(outer.getvalue()), bool(inner.getvalue())) == (False, True)
        active().finish()
    assert outer.getvalue()
    assert active() is None


def test_register_shows_until_unregister(clock):
    bar = bar_with(clock, io.StringIO())
    bar.register()
    try:
        computation = active()
        assert computation is not None
        computation.finish()
    finally:
        bar.unregister()
    assert active() is None
    bar.unregister()


def test_broken_output_does_not_break_the_computation(clock):
    out = io.StringIO()
    with bar_with(clock, out):
        computation = active()
        out.close()
        clock.now += 1
        computation.update(1, 2)
        computation.finish()


def test_computation_without_tasks_is_complete(clock):
    out = io.StringIO()
    with bar_with(clock, out):
        computation = active()
        computation.update(0, 0)
        computation.finish()
    assert "100% Completed" in out.getvalue()


def test_width_below_one_is_refused():
    with pytest.raises(ValueError, match="not 0"):
        ProgressBar(width=0)


def test_notebook_gets_html_that_changes_in_place(clock, monkeypatch):
    shown, updated = [], []

    class Handle:
        def update(self, content):
            updated.append(content)

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    displays = types.ModuleType("IPython.display")
    displays.HTML = lambda text: text  # type: ignore[attr-defined]
    displays.display = lambda content, display_id: (shown.append(content), Handle())[1]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", displays)
    with bar_with(clock, None):
        computation = active()
        clock.now += 1
        computation.update(1, 2)
        computation.finish()
    assert len(shown) == len(updated) == 1
    assert "1 of 2 tasks" in shown[0]
    assert "done" in updated[0]


def test_html_escapes_layer_names():
    content = as_html(Progress(1, 2, [("<script>alert(1)</script>", 1, 2)], 1.0))
    assert "<script>" not in content
    assert "&lt;script&gt;" in content


def test_a_bar_tells_which_bars_are_active():
    bar = ProgressBar()
    assert bar not in bar.active
    with bar:
        assert bar.active[-1] is bar
    assert bar not in bar.active
