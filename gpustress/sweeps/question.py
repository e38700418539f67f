"""What a sweep is asked: it stands for every byte of its result, and travels to workers as bytes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..arguments import is_name, is_number, one_of
from ..backends import arithmetic_of
from ..backends.base import Series
from ..book import Book, read_book
from ..checksums import versions
from ..draws import CONTRACT_VERSION
from ..errors import InputError, Problem, bad_argument
from ..estimates import ScenarioRun
from ..factor_paths import NONE
from ..job import Job, check_effects, check_paths, check_seed, make_scenarios, parse_record, prepare
from ..parameters import BASE
from ..result_schema import RESULT_SCHEMA_VERSION
from ..scenarios import Scenarios
from ..system import System
from ..tables import conform
from .shards import Grid, Shard, make_grid, path_work
from .summary import check_figure
from .tally import sketched_figures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..arguments import one_of
from ..backends.base import Backend

Keep = Literal["summary", "paths"]
KEEPS: Final = ("summary", "paths")
COMPILED_AT_ONCE: Final = 256  # scenarios, when all of them are checked
_HEAD: Final = "question"
_SCENARIOS, _COORDINATES = "scenarios", "coordinates"
_SYSTEM, _BOOK = "system/", "book/"


@dataclass(frozen=True, eq=False)
class Question:
    """Everything that decides about a sweep's result.

    Attributes
    ----------
    system : System
    scenarios : Scenarios
        Without rows: the system as it is.
    effects, record : tuple of str
    keep : {"summary", "paths"}
    books : mapping of str to pyarrow.Table
        Tables of positions by the name of the book.
    seed : int
    grid : Grid
    target_error : tuple of (str, float)
        Figures, and the standard error of each at which the sweep may stop; none: it runs all paths.
    arithmetic : str
        Backends of the same arithmetic give the same bits.
    """

    system: System
    scenarios: Scenarios
    effects: tuple[str, ...]
    record: tuple[str, ...]
    keep: Keep
    books: Mapping[str, pa.Table]
    seed: int
    grid: Grid
    target_error: tuple[tuple[str, float], ...]
    arithmetic: str

    @cached_property
    def series(self) -> tuple[Series, ...]:
        """What is recorded of each path."""
        return tuple(parse_record(self.system, self.record).values())

    @cached_property
    def read_books(self) -> dict[str, Book]:
        """The books as arrays."""
        return {name: read_book(self.system, table) for name, table in self.books.items()}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the scenarios."""
        return self.scenarios.names or (BASE,)

    def job(self, shard: Shard) -> Job:
        """The scenarios of a shard, compiled; bit for bit what they are in the whole."""
        part = shard.first_scenario, shard.scenarios
        found = self._compiled.get(part)
        if found is None:
            found = prepare(self.system, self._only(*part)[0], self.effects, None)
            self._compiled.clear()  # shards of the same scenarios follow one another: the last will do
            self._compiled[part] = found
        return found

    @cached_property
    def _compiled(self) -> dict[tuple[int, int], Job]:
        return {}

    def _only(self, first: int, count: int) -> tuple[Scenarios, NDArray[np.int64] | None]:
        """A range of scenarios, and which rows of the table they are."""
        if count == len(self.names):
            return self.scenarios, None
        table, coordinates = self.scenarios.table, self.scenarios.coordinates
        names = pa.array(self.names[first : first + count], pa.string())
        rows = pc.indices_nonzero(pc.is_in(table["scenario"], value_set=names))
        placed = None if coordinates is None else coordinates.slice(first, count)
        return Scenarios(table.take(rows), coordinates=placed), rows.to_numpy()

    def compile_all(self) -> tuple[str, tuple[ScenarioRun, ...]]:
        """Check every scenario, some at a time.

        Returns
        -------
        digest : str
            Of all programs; where one holds all scenarios, its own, so that a run of `simulate` has the same.
        runs : tuple of ScenarioRun

        Raises
        ------
        InputError
            With every problem of every scenario.
        """
        digests: list[str] = []
        runs: list[ScenarioRun] = []
        problems: list[Problem] = []
        for first in range(0, len(self.names), COMPILED_AT_ONCE):
            some, rows = self._only(first, min(COMPILED_AT_ONCE, len(self.names) - first))
            try:
                job = prepare(self.system, some, self.effects, None)
            except InputError as error:
                problems += [_in_whole_table(problem, rows) for problem in error.problems]
                continue
            digests.append(job.program.digest)
            runs += job.runs
        seen: set[str] = set()
        for run in runs:
            if run.name in seen:
                fault = "two runs would have this name"
                problems.append(
                    Problem("scenarios", None, "scenario", repr(run.name), fault, "Rename a scenario.")
                )
            seen.add(run.name)
        if problems:
            raise InputError(problems)
        whole = hashlib.blake2b("".join(digests).encode(), digest_size=16).hexdigest()
        return digests[0] if len(digests) == 1 else whole, tuple(runs)

    def identity(self, digest: str) -> dict[str, Any]:
        """What tells this sweep from another: equal identities give equal bytes."""
        return {
            "system": self.system.settings.name,
            "digest": digest,
            "tables": self._tables_digest(),
            "scenarios": len(self.names),
            "effects": list(self.effects),
            "paths": self.grid.paths,
            "seed": self.seed,
            "keep": self.keep,
            "record": list(self.record),
            "books": list(self.books),
            "target_error": dict(self.target_error),
            "grid": dataclasses.asdict(self.grid),
            "arithmetic": self.arithmetic,
            "contract_version": CONTRACT_VERSION,
            "tables_version": RESULT_SCHEMA_VERSION,
            "versions": versions(),
        }

    def _tables_digest(self) -> str:
        """Of all that was given, down to the texts that the digest of a program does not see."""
        hasher = hashlib.blake2b(digest_size=16)
        hasher.update(repr(dataclasses.astuple(self.system.settings)).encode())
        for name, table in self._tables().items():
            hasher.update(f"{name}:{table.schema.to_string(show_schema_metadata=False)};".encode())
            for column in table.columns:
                hasher.update(repr(column.to_pylist()).encode())
        return hasher.hexdigest()

    def _tables(self) -> dict[str, pa.Table]:
        tables = {f"{_SYSTEM}{name}": table for name, table in self.system.tables.items()}
        tables[_SCENARIOS] = self.scenarios.table
        if self.scenarios.coordinates is not None:
            tables[_COORDINATES] = self.scenarios.coordinates
        return tables | {f"{_BOOK}{name}": table for name, table in self.books.items()}

    def pack(self) -> dict[str, bytes]:
        """The question as bytes: JSON, and a table each in Arrow's IPC format."""
        head = {
            "settings": dataclasses.asdict(self.system.settings),
            "effects": self.effects,
            "record": self.record,
            "keep": self.keep,
            "seed": self.seed,
            "grid": dataclasses.asdict(self.grid),
            "target_error": self.target_error,
            "arithmetic": self.arithmetic,
        }
        return {_HEAD: json.dumps(head).encode()} | {
            name: _to_bytes(table) for name, table in self._tables().items()
        }


def unpack(packed: Mapping[str, bytes]) -> Question:
    """The question that `pack` has made bytes of."""
    head = json.loads(packed[_HEAD])
    tables = {name: _from_bytes(data) for name, data in packed.items() if name != _HEAD}

    def below(prefix: str) -> dict[str, pa.Table]:
        return {name.removeprefix(prefix): table for name, table in tables.items() if name.startswith(prefix)}

    settings = head["settings"] | {"default_costs": tuple(head["settings"]["default_costs"])}
    return Question(
        system=System(**settings, **below(_SYSTEM)),
        scenarios=Scenarios(tables[_SCENARIOS], coordinates=tables.get(_COORDINATES)),
        effects=tuple(head["effects"]),
        record=tuple(head["record"]),
        keep=head["keep"],
        books=below(_BOOK),
        seed=head["seed"],
        grid=Grid(**head["grid"]),
        target_error=tuple((figure, error) for figure, error in head["target_error"]),
        arithmetic=head["arithmetic"],
    )


def ask(
    system: System,
    scenarios: Any,
    *,
    paths: int | None,
    seed: int,
    keep: Keep,
    effects: str | Sequence[str],
    record: Sequence[str],
    books: Mapping[str, Any] | None,
    target_error: Mapping[str, float] | None,
    chosen: Backend,
) -> Question:
    """What a sweep is asked, checked but for its scenarios.

    Raises
    ------
    InputError
    """
    several = check_effects(system, effects)
    given = make_scenarios(system, scenarios)
    count = check_paths(paths, NONE)
    names = tuple(parse_record(system, record))
    if not one_of(keep, KEEPS):
        raise bad_argument("keep", keep, "is nothing that can be kept", f"Choose from {', '.join(KEEPS)}.")
    tables = conform_books(system, books)
    work = path_work(system.settings.periods, len(system.entity_names), len(system.flow_names))
    question = Question(
        system=system,
        scenarios=given,
        effects=several,
        record=names,
        keep=keep,
        books=tables,
        seed=check_seed(seed),
        grid=make_grid(
            work,
            len(several),
            max(1, len(given)),
            count,
            sketches=sketched_figures(system, tables, names),
            early=bool(target_error),
        ),
        target_error=_targets(target_error),
        arithmetic=arithmetic_of(chosen),
    )
    for figure, _ in question.target_error:
        check_figure(figure, system, question.read_books)
    return question


def _targets(target_error: Mapping[str, float] | None) -> tuple[tuple[str, float], ...]:
    """Figures and their standard errors."""
    if target_error is None:
        return ()
    remedy = 'Write a figure and its standard error, e.g. {"failure:NAME": 0.001}.'
    if not isinstance(target_error, Mapping):
        raise bad_argument("target_error", target_error, "is no mapping", remedy)
    for error in target_error.values():
        if not is_number(error) or error <= 0.0:
            raise bad_argument("target_error", error, "is no positive number", remedy)
    return tuple((str(figure), float(error)) for figure, error in target_error.items())


def conform_books(system: System, books: Mapping[str, Any] | None) -> dict[str, pa.Table]:
    """Books by name as tables of positions; None for the system's own, named ``positions``, where it has any.

    Raises
    ------
    InputError
        With what is wrong with each book.
    """
    if books is None:
        own = system.tables["positions"]
        return {"positions": own} if own.num_rows else {}
    if not isinstance(books, Mapping) or not all(map(is_name, books)):
        remedy = 'Write {"mine": positions}, with a table of positions for each name.'
        raise InputError([Problem("books", None, None, "", "has to map names to tables", remedy)])
    conformed: dict[str, pa.Table] = {}
    problems: list[Problem] = []
    for name, positions in books.items():
        try:
            read_book(system, positions)
        except InputError as error:
            problems += [dataclasses.replace(p, table=f"books[{name!r}]") for p in error.problems]
            continue
        table = conform("positions", positions, problems)
        if table is not None:
            conformed[name] = table
    if problems:
        raise InputError(problems)
    return conformed


def _in_whole_table(problem: Problem, rows: NDArray[np.int64] | None) -> Problem:
    if rows is None or problem.row is None or problem.table != "scenarios":
        return problem
    return dataclasses.replace(problem, row=int(rows[problem.row]))


def _to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _from_bytes(data: bytes) -> pa.Table:
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()
