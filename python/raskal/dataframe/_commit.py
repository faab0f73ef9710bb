"""Writing files so that nobody ever sees half of one, nor half of a set of them.

Start at `Stage`. Tasks write hidden files beside their targets; when all are written, one last step gives them their
names. On storage that can't rename, objects appear whole or not at all; what was written goes away again if a later one
fails.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from contextlib import contextmanager
from typing import Any

from raskal.dataframe._storage import open_file


class Stage:
    """Files that are written but not yet there.

    Parameters
    ----------
    system : fsspec filesystem, optional
        None for this machine's files.
    """

    def __init__(self, system: Any = None) -> None:
        self.system = system
        self.mark = uuid.uuid4().hex[:12]
        self._going_on: str | None = None

    def begin(self, folder: str) -> None:
        """Leave a sign that writing goes on: tasks that still write when it has failed see that it is gone."""
        if self.system is None:
            os.makedirs(folder or ".", exist_ok=True)
            self._going_on = os.path.join(folder, f".{self.mark}")
            with open(self._going_on, "wb"):
                pass

    def end(self) -> None:
        """Take the sign away."""
        if self._going_on is not None and os.path.exists(self._going_on):
            os.unlink(self._going_on)

    def _check(self) -> None:
        if self._going_on is not None and not os.path.exists(self._going_on):
            raise RuntimeError("writing was given up, since another partition failed")

    def hidden(self, target: str) -> str:
        """Where a file is before it gets its name."""
        if self.system is not None:
            return target
        folder, name = os.path.split(target)
        # Behind the name, so that what looks at suffixes (compression, file formats) sees the right one.
        return os.path.join(folder, f".{self.mark}.{name}")

    def make_folder(self, target: str) -> None:
        """Make the folder that a file goes to."""
        folder = os.path.dirname(target)
        if folder and self.system is None:
            os.makedirs(folder, exist_ok=True)
        elif folder:
            self.system.makedirs(folder, exist_ok=True)

    @contextmanager
    def writing(self, target: str, mode: str = "wb") -> Any:
        """An open file that becomes `target` on `commit`; removed again if writing it fails."""
        self.make_folder(target)
        path = self.hidden(target)
        try:
            with open_file(self.system, path, mode) as file:
                yield file
            self._check()
        except BaseException as error:
            self.discard([target])
            _name(error, target)
            raise

    def commit(self, targets: Iterable[str]) -> list[str]:
        """Give files their names."""
        named = list(targets)
        if self.system is None:
            for target in named:
                os.replace(self.hidden(target), target)
        return named

    def discard(self, targets: Iterable[str]) -> None:
        """Remove what was written and not committed."""
        for target in targets:
            try:
                if self.system is None:
                    os.unlink(self.hidden(target))
                elif self.system.exists(target):
                    self.system.rm_file(target)
            except OSError:
                pass  # what is not there need not go; what can't go stays hidden


def _name(error: BaseException, target: str) -> None:
    """Make an error of the operating system (no space left, no permission) say which file."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        error.filename = target
