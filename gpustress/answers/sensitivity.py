"""Sensitivities: derivatives of a statistic by parameters, from differences on the same draws or path by path."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ..arguments import is_number, one_of
from ..backends import AUTO
from ..errors import InputError, Problem, bad_argument, nearest, shown
from ..sampling import CONFIDENCE, mean_with_error
from ..scenarios import check_addresses
from ..tail import Tail
from .difference_quotients import PARAMETERS, chosen_step, ladder_of
from .experiment import Change, Experiment, RunOptions
from .pathwise import check_pathwise, path_derivatives
from .plain_data import fields_as_json
from .schema import SENSITIVITIES, SENSITIVITY_STEPS
from .statistic import MEAN, SHORTFALL, Statistic, estimate_of, read_statistic

if TYPE_CHECKING:
    from ..system import System

DIFFERENCES, PATHWISE = "differences", "pathwise"
METHODS: Final = (DIFFERENCES, PATHWISE)


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivities:
    """Derivatives of a statistic by parameters.

    Attributes
    ----------
    statistic : str
        In words.
    value, standard_error : float
        The statistic without any change.
    table : pyarrow.Table
        parameter, unstressed, derivative, standard_error, bias, settled, step, scheme, down, up: a row for each
        parameter.
    steps : pyarrow.Table
        parameter, step, derivative, standard_error: every step that was tried, the largest first; none pathwise.
    paths, seed : int
    backend : str
    """

    statistic: str
    value: float
    standard_error: float
    table: pa.Table
    steps: pa.Table
    paths: int
    seed: int
    backend: str

    def __repr__(self) -> str:
        """Say in a line what they are of."""
        return (
            f"<Sensitivities of the {self.statistic}: {self.table.num_rows} parameters, {self.paths} paths, "
            f"seed {self.seed}>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the derivatives."""
        from ..notebook import answer_html

        return answer_html(repr(self).strip("<>"), table=self.table)

    def as_json(self) -> dict[str, Any]:
        """Plain data, ready for JSON: what is infinite or no number is null."""
        return fields_as_json({field.name: getattr(self, field.name) for field in dataclasses.fields(self)})


def sensitivities(
    system: System,
    parameters: Sequence[str] | Mapping[str, float | None],
    *,
    method: str = DIFFERENCES,
    measure: str | None = None,
    figure: str = "npv",
    positions: Any = None,
    entity: str | Sequence[str] | None = None,
    statistic: str = "mean",
    level: float = 0.99,
    horizon: float | None = None,
    scenarios: Any = None,
    scenario: str | None = None,
    paths: int | None = None,
    seed: int = 0,
    effects: str = "full",
    backend: str = AUTO,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    memory: str | int | None = None,
    factors: Any = None,
) -> Sensitivities:
    """Derivative of a statistic by each of several parameters, all on the same draws and in one run.

    Parameters
    ----------
    system : System
    parameters : sequence of str, or mapping of str to float or None
        Addresses; with a mapping, the largest step of each. None, or no mapping: a fifth of the parameter's value (of a
        hazard half), or 0.1 where that is a shift, a drift, a correlation stress or 0 (0.01 for a hazard of 0).
    method : {"differences", "pathwise"}
        Differences are taken of anything. Pathwise derivatives need no step and have no bias; they are those of the
        mean or the expected shortfall of a measure's total, npv or trough with ``effects="none"``, by a flow's scale or
        a factor's shift, value, drift, mean or volatility.
    measure, figure, positions, entity, statistic, level, horizon
        What is asked for, as of `reverse_stress`.
    scenarios, scenario
        The scenario in question, as of `reverse_stress`.
    paths, seed, effects, backend, threads, devices, memory, factors
        As of `simulate`, with one kind of effects.

    Returns
    -------
    Sensitivities
        Derivatives are per unit of the parameter; of the standard errors, see the notes.

    Raises
    ------
    InputError
        An argument is not as it has to be, or a parameter can't take a value one step away.

    Notes
    -----
    The step decides between noise and bias: a difference over 2 h has a bias of order h^2, and on common random
    numbers a noise that does not depend on h where the statistic is smooth path by path, and grows as h^(-1/2) where
    paths jump (failures); Glasserman, "Monte Carlo Methods in Financial Engineering" (2003), section 7.1. So the
    largest step and its halves (four times) are all evaluated, and Lepski's rule (1991) takes the largest that agrees
    with every smaller one within 3 paired standard errors: the least noise of those whose bias does not show. A step
    at which fewer than 25 paths move tells neither, and is left out where another is not. Where no smaller step agrees
    with the one that is taken, and they do not close in on a limit either, it is not `settled`: the statistic jumps in
    the parameter, or more paths are needed. `bias`
    is what is left of it by Richardson's extrapolation, two steps' difference over 3/4 (over 3, of the least step).
    The standard error is that of the paired differences of the paths, or of their influences for a quantile and an
    expected shortfall.

    Pathwise derivatives (Broadie and Glasserman 1996) are means over the paths of each path's own derivative; of an
    expected shortfall, over the paths that make it (Hong and Liu, "Simulating sensitivities of conditional value at
    risk", Management Science 55, 2009). With effects there are none: a failure is a jump.

    A parameter that is 0 and can't be less gets forward differences, a correlation stress of 1 backward ones; their
    bias is of order h, two steps' difference over 1/2.
    """
    of = read_statistic(system, statistic=statistic, measure=measure, figure=figure, positions=positions,
                        entity=entity, level=level, horizon=horizon)  # fmt: skip
    options = RunOptions(paths, seed, effects, backend, threads, devices, memory, factors)
    experiment = Experiment(system, scenarios, scenario, of, options, CONFIDENCE)
    if _checked_method(method, of, effects) == PATHWISE:
        return _pathwise(experiment, of, parameters, seed)
    ladders = [ladder_of(experiment, name, largest) for name, largest in _largest_steps(parameters).items()]
    changes = [[Change(ladder.parameter, "add", offset)] for ladder in ladders for offset in ladder.offsets]
    experiment.check(changes, PARAMETERS)
    unchanged, *found = experiment.estimates([[], *changes])
    rows, steps = [], []
    for ladder in ladders:
        own, found = found[: len(ladder.offsets)], found[len(ladder.offsets) :]
        quotients = ladder.quotients(unchanged, own)
        place = chosen_step(quotients, unchanged.value)
        rows.append(ladder.row(quotients, place))
        steps += [
            {
                "parameter": ladder.parameter,
                "step": q.step,
                "derivative": q.value,
                "standard_error": q.standard_error,
            }
            for q in quotients
        ]
    return Sensitivities(
        of.label,
        unchanged.value,
        unchanged.standard_error,
        _table(rows, SENSITIVITIES.arrow()),
        _table(steps, SENSITIVITY_STEPS.arrow()),
        experiment.paths,
        seed,
        experiment.backend,
    )


def _checked_method(method: str, of: Statistic, effects: str) -> str:
    """The method, where it goes with what is asked."""
    if not one_of(method, METHODS):
        raise bad_argument("method", method, "is no method", nearest(str(method), METHODS))
    if method == DIFFERENCES:
        return method
    remedy = f'Write method="{DIFFERENCES}".'
    asked = {
        "effects": (effects, effects == "none", "a failure is a jump, which has no pathwise derivative"),
        "measure": (
            of.measure,
            of.measure is not None,
            "failures and losses jump, and have no pathwise derivative",
        ),
        "figure": (of.figure, of.figure != "payback", "whole periods jump, and have no pathwise derivative"),
        "statistic": (
            of.name,
            of.name in (MEAN, SHORTFALL),
            "has a derivative that no mean over paths estimates",
        ),
    }
    problems = [Problem(name, None, None, shown(value), message, remedy)
                for name, (value, goes, message) in asked.items() if not goes]  # fmt: skip
    if problems:
        raise InputError(problems)
    return method


def _pathwise(
    experiment: Experiment, of: Statistic, parameters: Sequence[str] | Mapping[str, float | None], seed: int
) -> Sensitivities:
    """Every derivative as the mean of the paths' own."""
    steps = _largest_steps(parameters)
    given = [Problem("parameters", None, None, shown(step), f"`{name}` has a step, and pathwise there is none",
                     "Give a list of addresses.") for name, step in steps.items() if step is not None]  # fmt: skip
    if given:
        raise InputError(given)
    names = list(steps)
    experiment.check([[Change(name, "add", 0.0)] for name in names], PARAMETERS)
    check_pathwise(experiment, names)
    assert of.measure is not None
    assert of.figure is not None
    values, slopes = path_derivatives(experiment, of.measure, of.figure, names)
    whole = estimate_of(of.name, values, of.level, CONFIDENCE, True)
    if of.name == MEAN:
        found = [mean_with_error(slope) for slope in slopes]
    else:
        found = list(zip(*Tail(-values, of.level).contributions(slopes.T.__getitem__), strict=True))
    rows: list[dict[str, object]] = [
        {
            "parameter": name,
            "unstressed": experiment.current(Change(name, "add", 0.0)),
            "derivative": derivative,
            "standard_error": error,
            "bias": 0.0,
            "settled": True,
            "scheme": PATHWISE,
        }
        for name, (derivative, error) in zip(names, found, strict=True)
    ]
    return Sensitivities(
        of.label,
        whole.value,
        whole.standard_error,
        _table(rows, SENSITIVITIES.arrow()),
        _table([], SENSITIVITY_STEPS.arrow()),
        experiment.paths,
        seed,
        experiment.backend,
    )


def _largest_steps(parameters: Sequence[str] | Mapping[str, float | None]) -> dict[str, float | None]:
    remedy = 'Name what is changed, e.g. ["factor.ai_demand.shift"], or map addresses to steps.'
    if (
        isinstance(parameters, str | bytes)
        or not isinstance(parameters, (Sequence, Mapping))
        or not parameters
    ):
        raise bad_argument("parameters", parameters, "is no list of addresses", remedy)
    names = check_addresses("parameters", parameters, remedy)
    if not isinstance(parameters, Mapping):
        return dict.fromkeys(names)
    wrong = []
    for name, step in parameters.items():
        if step is not None and not (is_number(step) and step > 0.0):
            message = f"`{name}` has no positive, finite step"
            wrong.append(Problem("parameters", None, None, shown(step), message, "Write e.g. 0.1, or None."))
    if wrong:
        raise InputError(wrong)
    return dict(parameters)


def _table(rows: list[dict[str, object]], schema: pa.Schema) -> pa.Table:
    arrays = [
        pa.array([row.get(field.name) for row in rows], field.type, from_pandas=True) for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
