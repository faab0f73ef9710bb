"""Settings of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import raskal


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    """Run bags on threads: most tests are of what a step gives, and hundreds of small ones would wait for processes."""
    with raskal.config.set(scheduler="threads"):
        yield
