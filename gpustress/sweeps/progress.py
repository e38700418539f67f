"""How far a sweep has come: to a function, a terminal, a log, and to whoever looks from another terminal."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from .files import STATUS, SweepFolder

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_SECONDS: Final = 30.0  # between lines where there is no terminal
STATUS_SECONDS: Final = 2.0  # between two writings of the status
EVENT_SECONDS: Final = 0.5  # between two calls of a caller's function
_RESIDENT: Final = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep has come.

    Attributes
    ----------
    event : str
        "start", "progress", "note" (`message` says what), "writing" (all shards are whole) or "done".
    done, total : int
        Paths x runs (scenarios x effects).
    shards_done, shards : int
    resumed : int
        Of `done`, what was there when the sweep began.
    failures : int
        Of entities, on all paths of all runs so far.
    seconds : float
        Since the sweep began; a clock that is set plays no part.
    rate : float
        Paths x runs a second, of this call.
    seconds_left : float or None
        None until there is a rate.
    memory_bytes : int
        Resident set of this process; 0 where the system does not say.
    message : str
    """

    event: str
    done: int = 0
    total: int = 0
    shards_done: int = 0
    shards: int = 0
    resumed: int = 0
    failures: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    seconds_left: float | None = None
    memory_bytes: int = 0
    message: str = ""


Listener = Callable[[SweepProgress], None]


class Reporter:
    """Counts what is done and tells of it; threads may call it.

    Parameters
    ----------
    listener : function of a SweepProgress
    folder : SweepFolder
        Where the status stands.
    """

    def __init__(self, listener: Listener, folder: SweepFolder):
        self._listener, self._folder = listener, folder
        self._lock = threading.Lock()
        self._start = self._told = self._stored = time.monotonic()
        self._state = SweepProgress("start")

    def begin(self, *, total: int, shards: int, done: int, shards_done: int, failures: int) -> None:
        """Tell what there is to do, and what of it is done."""
        with self._lock:
            self._state = SweepProgress("start", done, total, shards_done, shards, done, failures)
            self._store()
            self._listener(self._state)

    def advance(self, done: int = 0, failures: int = 0, shards: int = 0) -> None:
        """Tell that more is done."""
        with self._lock:
            now = time.monotonic()
            seconds, state = now - self._start, self._state
            count = state.done + done
            rate = (count - state.resumed) / seconds if seconds > 0.0 else 0.0
            self._state = replace(
                state, event="progress", done=count, failures=state.failures + failures, seconds=seconds, rate=rate,
                shards_done=state.shards_done + shards, memory_bytes=resident_bytes(),
                seconds_left=(state.total - count) / rate if rate > 0.0 else None, message="",
            )  # fmt: skip
            if now - self._stored >= STATUS_SECONDS:
                self._store()
            if now - self._told >= EVENT_SECONDS:
                self._told = now
                self._listener(self._state)

    def tell(self, event: str, message: str = "") -> None:
        """Tell of something besides."""
        with self._lock:
            self._state = replace(
                self._state, event=event, message=message, seconds=time.monotonic() - self._start
            )
            self._listener(self._state)

    def _store(self) -> None:
        """Write the status; that it can't be written stops no sweep."""
        self._stored = time.monotonic()
        aside = self._folder.aside(STATUS)
        try:
            aside.write_text(json.dumps(asdict(self._state)), encoding="utf-8")
            aside.replace(self._folder.place / STATUS)
        except OSError:
            return


def resident_bytes() -> int:
    """The resident set of this process; 0 where the system does not say."""
    try:
        found = _RESIDENT.search(Path("/proc/self/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


@contextmanager
def listening(progress: bool | Listener) -> Iterator[Listener]:
    """A function for every SweepProgress: the caller's own, a display, lines, or one that does nothing."""
    if callable(progress):
        yield progress
    elif progress and sys.stderr.isatty():
        with _Display() as display:
            yield display
    elif progress:
        yield _Lines()
    else:
        yield lambda _: None


def line_of(state: SweepProgress) -> str:
    """A line for people."""
    if state.event == "note":
        return state.message
    text = f"{state.done:,} of {state.total:,} paths x scenarios, shard {state.shards_done} of {state.shards}"
    text += f", {state.failures:,} failures"
    if state.rate > 0.0:
        text += f", {state.rate:,.0f} a second"
    if state.memory_bytes:
        text += f", {state.memory_bytes / 1e6:,.0f} MB"
    if state.event == "progress" and state.seconds_left is not None:
        text += f", {_duration(state.seconds_left)} left"
    return f"{text}; {state.message}" if state.message else text


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


class _Lines:
    """A plain line every LINE_SECONDS, and at what is not mere progress."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, state: SweepProgress) -> None:
        now = time.monotonic()
        if state.event == "progress" and now - self._told < LINE_SECONDS:
            return
        self._told = now
        try:
            print(line_of(state), file=sys.stderr, flush=True)
        except OSError:  # whoever read it has left; the sweep goes on
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class _Display:
    """A bar, and beside it what a line tells."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.table import Column

        wrapped = Column(ratio=1)  # else a narrow terminal cuts it
        told = TextColumn("{task.description}", markup=False, table_column=wrapped)
        columns = BarColumn(bar_width=20), TaskProgressColumn(), told
        self._progress: Progress = Progress(
            *columns, console=Console(stderr=True, markup=False, highlight=False), transient=True
        )
        self._task: TaskID = self._progress.add_task("", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, state: SweepProgress) -> None:
        if state.event == "note":
            self._progress.console.print(state.message)
            return
        self._progress.update(self._task, completed=state.done, total=state.total, description=line_of(state))
