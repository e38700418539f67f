"""Sensitivities: derivatives of a statistic by parameters, from central differences on common random numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from .backends import AUTO
from .errors import InputError, Problem, bad_argument, shown
from .experiment import Change, Experiment, RunOptions
from .parameters import parse_address
from .plain_data import fields_as_json
from .result_schema import SENSITIVITIES, SENSITIVITY_STEPS
from .sampling import CONFIDENCE
from .statistic import Estimate, paired_error, read_statistic

if TYPE_CHECKING:
    from .system import System

HALVINGS: Final = 4  # of the largest step
SURE: Final = 3.0  # paired standard errors beyond which two steps disagree
SHARE: Final = 0.2  # of the parameter's value: the largest step, where none is given
OF_HAZARD: Final = 0.5  # the same of a hazard, for few paths feel a small one
MOVED: Final = 25  # paths that have to move before a step tells of noise and bias
STEP: Final = 0.1  # the same for what is no amount, and for what is 0
HAZARD_STEP: Final = 0.01  # for a hazard of 0: one failure in a hundred years
ROUNDING: Final = 1e-12  # of the statistic's values: a smaller difference of two steps shows nothing
CENTRAL, FORWARD, BACKWARD = "central", "forward", "backward"
_POSITIVE: Final = ("scale", "hazard", "credit_line", "volatility", "reversion", "stress", "cash")  # or 0


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """Derivatives of a statistic by parameters.

    Attributes
    ----------
    statistic : str
        In words.
    value, standard_error : float
        The statistic without any change.
    table : pyarrow.Table
        parameter, unstressed, derivative, standard_error, bias, step, scheme, down, up: a row for each parameter.
    steps : pyarrow.Table
        parameter, step, derivative, standard_error: every step that was tried, the largest first.
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

    def as_json(self) -> dict[str, Any]:
        """Plain data, ready for JSON: what is infinite or no number is null."""
        return fields_as_json({field.name: getattr(self, field.name) for field in dataclasses.fields(self)})


def sensitivities(
    system: System,
    parameters: Sequence[str] | Mapping[str, float | None],
    *,
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
    at which fewer than 25 paths move tells neither, and is left out where another is not. `bias`
    is what is left of it by Richardson's extrapolation, two steps' difference over 3/4 (over 3, of the least step).
    The standard error is that of the paired differences of the paths, or of their influences for a quantile and an
    expected shortfall.

    A parameter that is 0 and can't be less gets forward differences, a correlation stress of 1 backward ones; their
    bias is of order h, two steps' difference over 1/2.
    """
    of = read_statistic(system, statistic=statistic, measure=measure, figure=figure, positions=positions,
                        entity=entity, level=level, horizon=horizon)  # fmt: skip
    options = RunOptions(paths, seed, effects, backend, threads, devices, memory, factors)
    experiment = Experiment(system, scenarios, scenario, of, options, CONFIDENCE)
    ladders = [_ladder(experiment, name, largest) for name, largest in _largest_steps(parameters).items()]
    changes = [[Change(ladder.parameter, "add", offset)] for ladder in ladders for offset in ladder.offsets]
    experiment.check(changes, "parameters")
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


@dataclass(frozen=True, eq=False)
class Quotient:
    """A difference quotient.

    Attributes
    ----------
    step : float
    value, standard_error : float
    down, up : float
        The statistic at the two ends.
    influence : ndarray (P,)
        Of the quotient.
    """

    step: float
    value: float
    standard_error: float
    down: float
    up: float
    influence: np.ndarray[Any, np.dtype[np.float64]]


def chosen_step(quotients: Sequence[Quotient], value: float) -> int:
    """Place of the largest step that agrees with all smaller ones; quotients come with falling steps.

    Parameters
    ----------
    quotients : sequence of Quotient
    value : float
        The statistic without any change: by it the rounding of a difference is judged.
    """
    telling = [place for place, quotient in enumerate(quotients) if _moved(quotient) >= MOVED] or [0]
    for place in telling:
        if all(_agree(quotients[place], quotients[other], value) for other in telling if other > place):
            return place
    return telling[-1]


def _moved(quotient: Quotient) -> int:
    """Paths that the step moves otherwise than the most; all, where it moves all alike."""
    apart = np.abs(quotient.influence - np.median(quotient.influence))
    alike = not apart.any()
    if len(apart) < MOVED or (alike and quotient.value != 0.0):
        return MOVED
    return int(np.count_nonzero(apart > 1e-9 * apart.max()))  # rounding moves no path


def _agree(large: Quotient, small: Quotient, value: float) -> bool:
    spread = large.influence - small.influence
    noise = SURE * float(np.std(spread, ddof=1)) / math.sqrt(spread.size) if spread.size > 1 else 0.0
    rounding = ROUNDING * max(abs(value), abs(small.up), abs(small.down)) / small.step
    return abs(large.value - small.value) <= noise + rounding


@dataclass(frozen=True)
class _Ladder:
    """The steps of one parameter, the largest first."""

    parameter: str
    unstressed: float | None
    steps: tuple[float, ...]
    scheme: str

    @property
    def offsets(self) -> list[float]:
        """What is added to the parameter: of each step, down and up."""
        signs = {CENTRAL: (-1.0, 1.0), FORWARD: (1.0,), BACKWARD: (-1.0,)}[self.scheme]
        return [sign * step for step in self.steps for sign in signs]

    def quotients(self, unchanged: Estimate, found: Sequence[Estimate]) -> list[Quotient]:
        quotients = []
        for place, step in enumerate(self.steps):
            down = up = unchanged
            if self.scheme == CENTRAL:
                down, up = found[2 * place : 2 * place + 2]
            elif self.scheme == FORWARD:
                up = found[place]
            else:
                down = found[place]
            width = 2.0 * step if self.scheme == CENTRAL else step
            error = paired_error(up, down) / width
            influence = (up.influence - down.influence) / width
            quotients.append(
                Quotient(step, (up.value - down.value) / width, error, down.value, up.value, influence)
            )
        return quotients

    def row(self, quotients: Sequence[Quotient], place: int) -> dict[str, object]:
        chosen, order = quotients[place], 2 if self.scheme == CENTRAL else 1
        if place + 1 < len(quotients):
            bias = (chosen.value - quotients[place + 1].value) / (1.0 - 0.5**order)
        else:
            bias = (quotients[place - 1].value - chosen.value) / (2.0**order - 1.0)
        return {
            "parameter": self.parameter,
            "unstressed": self.unstressed,
            "derivative": chosen.value,
            "standard_error": chosen.standard_error,
            "bias": abs(bias),
            "step": chosen.step,
            "scheme": self.scheme,
            "down": chosen.down,
            "up": chosen.up,
        }


def _ladder(experiment: Experiment, parameter: str, largest: float | None) -> _Ladder:
    experiment.check([[Change(parameter, "add", 0.0)]], "parameters")
    address = parse_address(parameter)
    assert address is not None
    own = experiment.current(Change(parameter, "add", 0.0))
    relative = address.field not in ("shift", "drift", "stress") and own
    is_hazard = address.field == "hazard"
    share = OF_HAZARD if is_hazard else SHARE
    step = abs(share * own) if relative and own else HAZARD_STEP if is_hazard else STEP
    step = step if largest is None else float(largest)
    scheme = CENTRAL
    if own is not None and address.field in _POSITIVE:
        if own == 0.0:
            scheme = FORWARD
        elif address.field == "stress" and own == 1.0:
            scheme = BACKWARD
        elif largest is None:
            step = min(step, own, 1.0 - own if address.field == "stress" else own)
    return _Ladder(parameter, own, tuple(step * 0.5**k for k in range(HALVINGS + 1)), scheme)


def _largest_steps(parameters: Sequence[str] | Mapping[str, float | None]) -> dict[str, float | None]:
    remedy = 'Name what is changed, e.g. ["factor.ai_demand.shift"], or map addresses to steps.'
    if isinstance(parameters, str) or not isinstance(parameters, (Sequence, Mapping)) or not parameters:
        raise bad_argument("parameters", parameters, "is no list of addresses", remedy)
    if not isinstance(parameters, Mapping):
        return {str(name): None for name in parameters}
    wrong = []
    for name, step in parameters.items():
        is_number = isinstance(step, (int, float, np.integer, np.floating)) and not isinstance(step, bool)
        if step is not None and not (is_number and math.isfinite(step) and step > 0.0):
            message = f"`{name}` has no positive, finite step"
            wrong.append(Problem("parameters", None, None, shown(step), message, "Write e.g. 0.1, or None."))
    if wrong:
        raise InputError(wrong)
    return {str(name): step for name, step in parameters.items()}


def _table(rows: list[dict[str, object]], schema: pa.Schema) -> pa.Table:
    arrays = [pa.array([row[field.name] for row in rows], field.type, from_pandas=True) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)
