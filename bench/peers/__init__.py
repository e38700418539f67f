"""The reference job's loop written by hand, as well as it can be done, in Numba and in JAX.

They are a measure: on the library's draws they give the failures of the NumPy backend, which tests/test_peers.py
checks, and they are timed on draws made in their own best way.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from gpustress.job import prepare
from gpustress.threads import thread_limit

from ..reference import reference_system

if TYPE_CHECKING:
    from gpustress.program import Program

    from .base import Peer


def peers(program: Program | None = None, threads: int | None = None) -> dict[str, Peer]:
    """Those whose package is installed, by name.

    Parameters
    ----------
    program : Program, optional
        Of one scenario; by default that of the reference job.
    threads : int, optional
        By default as many as the native backend takes.
    """
    program = program or prepare(reference_system(), None, "full", None).program
    threads = thread_limit(threads)
    found: dict[str, Peer] = {}
    if importlib.util.find_spec("numba"):
        from .numba_loop import NumbaPeer

        found["numba"] = NumbaPeer(program, threads)
    if importlib.util.find_spec("jax"):
        from .jax_loop import JaxPeer

        found["jax"] = JaxPeer(program, threads)
    return found
