"""A question made ready: system, scenarios, effects and factor paths, compiled and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from .arguments import names_in, whole_number
from .backends.base import Block, Series, SeriesKind
from .compilation import compile_program
from .drawing import AS_CONTRACTED, Drawing
from .errors import InputError, Problem, bad_argument, nearest, shown
from .estimates import ScenarioRun
from .factor_paths import FactorPaths, check_factor_paths, read_factor_paths
from .program import Program
from .scenarios import Scenarios
from .schema import EFFECTS
from .system import System

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_PATHS: Final = 10_000
MAX_PATHS: Final = 2**40
ESTATE: Final = "estate"


@dataclass(frozen=True)
class Job:
    """What a run, a replay and an estimate have in common.

    Attributes
    ----------
    system : System
    scenario_table : pyarrow.Table
        As simulated.
    coordinates : pyarrow.Table or None
        Of a grid.
    program : Program
    runs : tuple of ScenarioRun
        One for each of the program's scenarios.
    factors : FactorPaths
    drawing : Drawing
    """

    system: System
    scenario_table: pa.Table
    coordinates: pa.Table | None
    program: Program
    runs: tuple[ScenarioRun, ...]
    factors: FactorPaths
    drawing: Drawing = AS_CONTRACTED

    def drawn(self, drawing: Drawing) -> Job:
        """The same question on draws that are made otherwise."""
        return replace(self, drawing=drawing)

    def block(self, seed: int, first_path: int, paths: int) -> Block:
        """A range of paths, as a backend takes it."""
        return Block(seed, first_path, paths, self.factors.of(first_path, paths), self.drawing)


def prepare(system: System, scenarios: Any, effects: str | Sequence[str], factors: Any) -> Job:
    """Compile a question.

    Parameters
    ----------
    system : System
    scenarios : Scenarios, anything that speaks Arrow, or None
        None: the system's own, or where it has none the system as it is, named ``base``.
    effects : str or sequence of str
    factors : anything that speaks Arrow, or None

    Raises
    ------
    InputError
    """
    several = check_effects(system, effects)
    chosen = make_scenarios(system, scenarios)
    given = read_factor_paths(system, factors)
    program = compile_program(system, chosen.table, several)
    check_factor_paths(system, program, given)
    own_names = (
        [name.rsplit("/", 1)[0] for name in program.scenarios] if len(several) > 1 else program.scenarios
    )
    runs = tuple(ScenarioRun(*run) for run in zip(program.scenarios, own_names, program.effects, strict=True))
    return Job(system, chosen.table, chosen.coordinates, program, runs, given)


def check_system(system: Any) -> None:
    """Refuse what is no system.

    Raises
    ------
    InputError
    """
    if not isinstance(system, System):
        raise bad_argument(
            "system", system, "is no System", "Make one with System(...) or read_system(folder)."
        )


def check_effects(system: System, effects: str | Sequence[str]) -> tuple[str, ...]:
    """One kind of effects or several, of what is a system.

    Raises
    ------
    InputError
    """
    check_system(system)
    several = names_in("effects", effects)
    for effect in several:
        if effect not in EFFECTS:
            raise bad_argument("effects", effect, "is no kind of effects", nearest(str(effect), EFFECTS))
    if not several or len(set(several)) < len(several):
        raise bad_argument(
            "effects", effects, "names none, or one twice", f"Choose from {', '.join(EFFECTS)}."
        )
    return several


def make_scenarios(system: System, scenarios: Any) -> Scenarios:
    """What was given as scenarios; None: the system's own."""
    if scenarios is None:
        return Scenarios(system.scenarios)
    return scenarios if isinstance(scenarios, Scenarios) else Scenarios(scenarios)


def check_seed(seed: int) -> int:
    """A seed within the contract on draws."""
    number = whole_number(seed)
    if number is None or not 0 <= number < 2**64:
        raise bad_argument("seed", seed, "is no seed", "Give a whole number from 0 to 2^64 - 1.")
    return number


def check_paths(paths: int | None, factors: FactorPaths) -> int:
    """How many paths to run: `paths`, or as many as the factor table holds, or DEFAULT_PATHS."""
    if paths is None:
        return factors.paths or DEFAULT_PATHS
    number = check_count("paths", paths)
    if factors.paths is not None and number > factors.paths:
        message = f"is more than the {factors.paths} that `factors=` holds"
        raise bad_argument("paths", number, message, "Give the table more paths, or run fewer.")
    return number


def check_count(argument: str, paths: int) -> int:
    """A number of paths that can be run.

    Raises
    ------
    InputError
    """
    number = whole_number(paths)
    if number is None or not 1 <= number <= MAX_PATHS:
        raise bad_argument(
            argument, paths, "is no number of paths", f"Give a whole number from 1 to {MAX_PATHS}."
        )
    return number


def parse_record(system: System, record: Sequence[str]) -> dict[str, Series]:
    """The series that `record=` names: cash:ENTITY, flow:NAME, measure:NAME, factor:NAME or estate.

    Raises
    ------
    InputError
        For every name that is unknown.
    """
    known: dict[SeriesKind, tuple[str, ...]] = {
        "cash": system.entity_names,
        "flow": system.flow_names,
        "measure": system.measure_names,
        "factor": system.factor_names,
    }
    series, problems = {}, []
    for wanted in names_in("record", record):
        kind, _, name = wanted.partition(":")
        if wanted == ESTATE:
            series[wanted] = Series("estate", 0)
        elif kind not in known:
            forms = (*(f"{kind}:NAME" for kind in known), ESTATE)
            remedy = f"Write one of {', '.join(forms)}."
            problems.append(Problem("record", None, None, shown(wanted), "is no time series", remedy))
        elif name not in known[kind]:
            remedy = nearest(name, known[kind])
            problems.append(Problem("record", None, None, shown(wanted), f"names no {kind}", remedy))
        else:
            series[wanted] = Series(kind, known[kind].index(name))
    if problems:
        raise InputError(problems)
    return series
