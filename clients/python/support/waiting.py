"""Waiting for what happens in its own time: tried again and again, up to a deadline, never a fixed sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

WITHIN_S = 20.0
BETWEEN_TRIES_S = 0.03


def wait_for(what: str, attempt: Callable[[], Result], within_s: float = WITHIN_S) -> Result:
    """The first truthy result of `attempt`. When the deadline passes, fails and shows the last result."""
    deadline = time.monotonic() + within_s
    while True:
        result = attempt()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {within_s} s; the last answer was {result!r}")
        time.sleep(BETWEEN_TRIES_S)
