"""Everything that the reference job is timed on: the backends that work here, and the peers that are installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gpustress
from gpustress.backends import get_backend
from gpustress.backends.base import Backend
from gpustress.backends.native import NativeBackend
from gpustress.job import Job, prepare

from .peers import peers
from .reference import PATHS, SEED, reference_system
from .timing import seconds_of

BLOCK_MEMORY = 10**9
FEWEST_PATHS = 256  # of a turn
ONE_THREAD = "native_1_thread"


@dataclass(frozen=True)
class Contender:
    """Something that runs the reference job.

    Attributes
    ----------
    name : str
    threads : int
        That it computes with.
    run : callable
        run(paths, seed) simulates so many paths.
    """

    name: str
    threads: int
    run: Callable[[int, int], object]

    def paths_in(self, seconds: float) -> int:
        """Paths that take about so long, at most those of the reference job; compiled and warm after that."""
        self.run(FEWEST_PATHS, SEED)
        paths = FEWEST_PATHS
        a_path = self.seconds_a_path(paths)
        while paths < PATHS and paths * a_path < seconds / 8:
            paths = min(4 * paths, PATHS)
            a_path = self.seconds_a_path(paths)
        fitting = int(max(FEWEST_PATHS, min(PATHS, seconds / a_path)))
        self.run(fitting, SEED)
        return fitting

    def seconds_a_path(self, paths: int) -> float:
        """Seconds a path, of so many."""
        return seconds_of(lambda: self.run(paths, SEED)) / paths


def reference_job() -> Job:
    """The reference job, compiled."""
    (native,) = (info for info in gpustress.backends() if info.name == "native")
    if not native.works:
        raise SystemExit(f"bench: backend native does not work: {native.reason}")
    return prepare(reference_system(), None, "full", None)


def of_backend(backend: Backend, job: Job, threads: int, name: str = "") -> Contender:
    """A backend on a job, in blocks as a run makes them."""
    size = backend.block_paths(job.program, BLOCK_MEMORY)

    def run(paths: int, seed: int) -> None:
        for first in range(0, paths, size):
            backend.simulate(job.program, job.block(seed, first, min(size, paths - first)))

    return Contender(name or backend.name, threads, run)


def contenders(job: Job) -> list[Contender]:
    """All there are here; native with one thread, and with all that the process may use."""
    found = [of_backend(NativeBackend(threads=1), job, 1, ONE_THREAD)]
    for info in gpustress.backends():
        if info.works:
            backend = get_backend(info.name)
            found.append(of_backend(backend, job, getattr(backend, "threads", 1)))
    found += [Contender(peer.name, peer.threads, peer.run) for peer in peers(job.program).values()]
    return found
