"""Shards on the workers of a Dask cluster. What travels is a function's name, bytes and numbers."""

from __future__ import annotations

import dataclasses
import secrets
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from ..backends import AUTO, arithmetic_of, get_backend
from ..checksums import versions
from ..errors import InputError, Problem, bad_argument
from ..memory import free_memory, parse_size
from .files import PLAN, Record, SweepFolder, mark_of, read_plan
from .question import Question, unpack
from .shard_run import Blocks, Overlap, run_shard

if TYPE_CHECKING:
    from distributed import Client, Future

    from .progress import Reporter
    from .shards import Shard

LOOK_SECONDS: Final = 5.0  # without a finished shard, after which is looked whether there are workers
LOST: Final = 10  # workers, with one and the same shard; then the shard is to blame
FREE_SHARE: Final = 4  # of free memory, and of what Dask allows a worker, for all of its tasks
_FAULTS: Final = "faults"

Options = Mapping[str, Any]


def on_cluster(
    client: Client, question: Question, place: Path, mark: str, options: Options
) -> Callable[[list[Shard], Reporter, Callable[[Record], None]], None]:
    """A function that runs shards on the workers of a cluster.

    Parameters
    ----------
    client : distributed.Client
    question : Question
    place : Path
        The sweep's folder, which workers have to see under the same name.
    mark : str
        Of the sweep.
    options : mapping
        ``backend``, ``threads``, ``devices``, ``memory``: of each worker, as `sweep` takes them.
    """
    if not all(hasattr(client, name) for name in ("submit", "cancel", "scheduler_info")):
        remedy = "Give a distributed.Client, e.g. Client(LocalCluster()), made of gpustress[dask]."
        raise bad_argument("cluster", client, "is no client of a Dask cluster", remedy)
    packed = question.pack()

    def run(shards: list[Shard], reporter: Reporter, done: Callable[[Record], None]) -> None:
        _Submitted(client, packed, place, mark, options).run(shards, reporter, done)

    return run


class _Submitted:
    """Shards that are with a cluster."""

    def __init__(self, client: Client, packed: dict[str, bytes], place: Path, mark: str, options: Options):
        self._client, self._place, self._mark, self._options = client, place, mark, dict(options)
        # A task, not scattered data: if the worker that holds it dies, the scheduler makes it anew.
        self._question = client.submit(same, packed, key=f"gpustress-question-{secrets.token_hex(8)}")
        self._shards: dict[Future, Shard] = {}
        self._finished: SimpleQueue[Future] = SimpleQueue()
        self._lost: dict[int, int] = {}

    def run(self, shards: list[Shard], reporter: Reporter, done: Callable[[Record], None]) -> None:
        """Run them; those of a worker that is lost run again."""
        try:
            for shard in shards:
                self._submit(shard)
            while self._shards:
                future = self._next(reporter)
                shard = self._shards.pop(future)
                content = self._outcome(future)
                if content is None:
                    self._lost[shard.number] = self._lost.get(shard.number, 0) + 1
                    reporter.tell("note", f"a worker was lost with shard {shard.number}, which runs again")
                    if self._lost[shard.number] >= LOST:
                        message = f"shard {shard.number} was lost with {LOST} workers"
                        raise MemoryError(f"{message}: give them more memory, or the sweep less by memory=")
                    self._submit(shard)
                    continue
                if _FAULTS in content:
                    raise InputError(Problem(**fault) for fault in content[_FAULTS])
                record = Record.of(content)
                reporter.advance(record.shard.paths * len(record.exact_finishes), record.failures)
                done(record)
        finally:
            self._client.cancel(list(self._shards))

    def _next(self, reporter: Reporter) -> Future:
        """The next task that is finished; while none is, what it may be waiting for is told, once."""
        told = ""
        while True:
            try:
                return self._finished.get(timeout=LOOK_SECONDS)
            except Empty:
                missing = _missing(self._client)
                if missing not in ("", told):
                    reporter.tell("note", missing)
                told = missing

    def _submit(self, shard: Shard) -> None:
        future = self._client.submit(
            do_shard, self._question, str(self._place), self._mark, shard.number, self._options,
            key=f"gpustress-shard-{shard.number}-{secrets.token_hex(8)}", pure=False,
        )  # fmt: skip
        self._shards[future] = shard
        future.add_done_callback(self._finished.put)

    @staticmethod
    def _outcome(future: Future) -> dict[str, Any] | None:
        """What a task gave; None where its worker was lost."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        try:
            content: dict[str, Any] = future.result()
        except (KilledWorker, CancelledError):
            return None
        return content


def _missing(client: Client) -> str:
    """What keeps tasks from being done, in words; "" where there is a worker."""
    try:
        workers = client.nthreads()
    except OSError as error:
        return f"the scheduler does not answer ({error}): waiting for it"
    return "" if workers else "no worker: waiting for one to join the cluster"


def same(packed: dict[str, bytes]) -> dict[str, bytes]:
    """The question itself, held by the cluster."""
    return packed


def do_shard(
    packed: dict[str, bytes], place: str, mark: str, number: int, options: dict[str, Any]
) -> dict[str, Any]:
    """Run a shard on a worker, and write it to the sweep's folder; its record, or what is wrong with the input."""
    try:
        return _held(packed, mark, options).run(Path(place), number)
    except InputError as error:
        return {_FAULTS: [dataclasses.asdict(problem) for problem in error.problems]}


class _Held:
    """A question that a worker keeps from shard to shard, and the sizes of blocks that it has learnt."""

    def __init__(self, mark: str, options: dict[str, Any], question: Question):
        self.mark, self.options, self._question = mark, options, question
        self._blocks: Blocks | None = None

    def run(self, place: Path, number: int) -> dict[str, Any]:
        question, options, shard = self._question, self.options, self._question.grid.shard(number)
        _check_folder(place, self.mark)
        threads = options["threads"] or 1  # Dask runs as many shards at once as a worker has threads
        backend = get_backend(options["backend"], threads=threads, devices=options["devices"])
        if arithmetic_of(backend) != question.arithmetic:
            message = (
                f"a worker would take `{backend.name}`, which rounds otherwise than where the sweep began"
            )
            raise bad_argument("backend", options["backend"] or AUTO, message, "Name one that all have.")
        if self._blocks is None:
            self._blocks = Blocks(question, backend, *_share(options["memory"]))
        records: list[Record] = []
        folder = SweepFolder(place, self.mark)
        with Overlap() as overlap:
            run_shard(question, shard, backend, self._blocks, folder, overlap,
                      lambda done, failures: None, records.append)  # fmt: skip
            overlap.wait()
        return records[0].content()


_lock = threading.Lock()
_last: list[_Held] = []


def _held(packed: dict[str, bytes], mark: str, options: dict[str, Any]) -> _Held:
    """The question, unpacked once a worker; the same sweep may go on with other options."""
    with _lock:
        if not _last or (_last[0].mark, _last[0].options) != (mark, options):
            _last[:] = [_Held(mark, options, unpack(packed))]
        return _last[0]


def _check_folder(place: Path, mark: str) -> None:
    """Refuse to work for a folder that is not seen here, or with other versions."""
    from socket import gethostname

    where = f"a worker on {gethostname()}"
    if not (place / PLAN).exists():
        remedy = "Name a folder that all machines share, under the same name everywhere."
        raise bad_argument("out", str(place), f"is not seen by {where}", remedy)
    plan = read_plan(place)
    if plan["versions"] != versions():
        message = f"is written by {plan['versions']}; {where} has {versions()}"
        raise bad_argument("out", str(place), message, "Install the same versions everywhere.")
    identity = {
        key: value for key, value in plan.items() if key not in ("checksum", "format", "format_version")
    }
    if mark_of(identity) != mark:
        raise bad_argument("out", str(place), f"is another sweep's where {where} looks", "Share one folder.")


def _share(memory: str | int | None) -> tuple[int, int]:
    """Bytes that one task of this worker may take, and how many tasks share them."""
    from distributed import get_worker

    worker = get_worker()
    tasks = max(1, int(worker.state.nthreads))
    if memory is not None:
        return parse_size(memory) // tasks, tasks
    limit = int(worker.memory_manager.memory_limit or free_memory())
    return min(free_memory(), limit) // FREE_SHARE // tasks, tasks
