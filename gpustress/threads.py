"""How many threads a run may take."""

from __future__ import annotations

import os
import re
from typing import Final

from .arguments import whole_number
from .errors import bad_argument

THREADS_VARIABLE: Final = "GPUSTRESS_THREADS"
MOST_THREADS: Final = 9999


def thread_limit(threads: int | None = None) -> int:
    """Threads that a run may take: `threads`, or GPUSTRESS_THREADS, or as many as the process has processors.

    Raises
    ------
    InputError
        The argument, or the variable where it counts, is no whole number from 1 to MOST_THREADS.
    """
    if threads is not None:
        number = whole_number(threads)
        if number is None or not 1 <= number <= MOST_THREADS:
            raise bad_argument("threads", threads, "is no number of threads", _REMEDY)
        return number
    wanted = os.environ.get(THREADS_VARIABLE, "")
    if not wanted:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not re.fullmatch(r"0*[1-9][0-9]{0,3}", wanted, re.ASCII):
        raise bad_argument(THREADS_VARIABLE, wanted, "is no number of threads", _REMEDY)
    return int(wanted)


_REMEDY: Final = f"Give a whole number from 1 to {MOST_THREADS}."
