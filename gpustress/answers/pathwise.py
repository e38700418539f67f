"""Pathwise derivatives of a measure without effects: what every path's own payments say of a small change.

Without effects everybody pays what is billed, and what is billed is a product (docs/model.md, step 3). Its derivative
is itself times that of its logarithm, path by path: no step, no bias. Clips have a kink, on which no path sits.

Source: Broadie and Glasserman, "Estimating security price derivatives using simulation", Management Science 42 (1996).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from ..errors import InputError, Problem, shown
from ..memory import budget
from ..parameters import Flows, parse_address
from ..program import EXPONENTIAL, IDENTITY
from ..schema import KIND_PREFIX
from .experiment import Change
from .factor_shocks import draw_shocks, symmetric_root

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..parameters import Address
    from .experiment import Experiment

FIELDS: Final = (
    "scale",
    "shift",
    "value",
    "drift",
    "mean",
    "volatility",
)  # by which a measure can be derived
_DIFFERENCES: Final = 'Write method="differences".'


def check_pathwise(experiment: Experiment, names: Sequence[str]) -> None:
    """Refuse addresses by which there is no pathwise derivative.

    Raises
    ------
    InputError
        All such addresses.
    """
    problems = []
    for name in names:
        address = parse_address(name)
        assert address is not None  # the experiment has compiled it
        fault = ""
        if address.field not in FIELDS:
            fault = "has no pathwise derivative"
        elif address.field == "volatility" and not experiment.current(Change(name, "add", 0.0)):
            fault = "is 0, where the pathwise derivative is one-sided"
        elif address.field == "scale":
            curves = experiment.program.curves[experiment.program.scale[0, _flows(experiment, address)]]
            fault = (
                "is 0 in some period, so that the payments do not show how they follow it"
                if (curves == 0.0).any()
                else ""
            )
        if fault:
            problems.append(Problem("parameters", None, None, shown(name), fault, _DIFFERENCES))
    if problems:
        raise InputError(problems)


def path_derivatives(
    experiment: Experiment, measure: str, figure: str, names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A measure's figure on every path, and its derivative by each of some parameters.

    Parameters
    ----------
    experiment : Experiment
        Without effects.
    measure : str
    figure : str
        total, npv or trough.
    names : sequence of str
        Addresses that `check_pathwise` lets pass.

    Returns
    -------
    figure : ndarray (P,)
    derivatives : ndarray (names, P)
    """
    program, system = experiment.program, experiment.system
    addresses = [address for address in map(parse_address, names) if address is not None]
    factors = sorted({address.name for address in addresses if address.subject == "factor"})
    series = [f"measure:{measure}", *(f"factor:{name}" for name in factors)]
    run = experiment.run(series)
    counts = _counts(figure, run.series[series[0]][0], program.discount)
    observed = {system.factor_names.index(name): run.series[f"factor:{name}"][0] for name in factors}
    moves = [
        _Move(experiment, name, address, observed) for name, address in zip(names, addresses, strict=True)
    ]
    weights = _line_weights(experiment, measure, counts)
    derivatives = np.zeros((len(names), experiment.paths))
    flows = list(weights)
    size = max(1, budget(experiment.options.memory) // 4 // (8 * experiment.paths * program.periods))
    for first in range(0, len(flows), size):
        part = flows[first : first + size]
        paid = experiment.run([f"flow:{system.flow_names[flow]}" for flow in part]).series
        for flow in part:
            weighted = weights[flow] * paid[f"flow:{system.flow_names[flow]}"][0]
            for row, move in enumerate(moves):
                growth = move.of_flow(flow)
                if growth is not None:
                    derivatives[row] += (weighted * growth).sum(axis=1)
    return np.asarray(getattr(run.measures[measure], figure)[0]), derivatives


def _counts(figure: str, measure: NDArray[np.float64], discount: NDArray[np.float64]) -> NDArray[np.float64]:
    """By what each period's value enters the figure, (P or 1, T)."""
    if figure == "npv":
        return discount[None]
    if figure == "total":
        return np.ones((1, len(discount)))
    lowest = measure.cumsum(axis=1).argmin(axis=1)
    return np.asarray(np.arange(measure.shape[1]) <= lowest[:, None], dtype=np.float64)


def _line_weights(
    experiment: Experiment, measure: str, counts: NDArray[np.float64]
) -> dict[int, NDArray[np.float64]]:
    """By what each period's payment of a flow enters the figure, (P or 1, T); of capex through depreciation too."""
    program = experiment.program
    place = experiment.system.measure_names.index(measure)
    entries = program.measures.column[program.measures.start[place] : program.measures.start[place + 1]]
    weights: dict[int, NDArray[np.float64]] = {}
    for line, weight in zip(program.measure_line[entries], program.measure_weight[entries], strict=True):
        flow, entering = int(line), counts
        if line >= program.flow_count:
            capex = int(line) - program.flow_count
            if capex >= len(program.capex):
                continue  # nothing is impaired without effects
            flow, life = int(program.capex[capex]), int(program.capex_life[capex])
            # A payment is written down by 1/life of it in each of the next `life` periods.
            later = np.concatenate([np.zeros_like(counts[:, :1]), counts.cumsum(axis=1)], axis=1)
            ends = np.minimum(np.arange(program.periods) + 1 + life, program.periods)
            entering = (later[:, ends] - later[:, 1:]) / life
        weights[flow] = weights.get(flow, 0.0) + weight * entering
    return weights


class _Move:
    """How one parameter moves the logarithm of what is billed."""

    def __init__(
        self, experiment: Experiment, name: str, address: Address, observed: dict[int, NDArray[np.float64]]
    ):
        self._program = experiment.program
        self._known: dict[int, NDArray[np.float64] | None] = {}
        self._scaled: list[int] = []
        self._factor = -1
        if address.field == "scale":
            self._scaled = _flows(experiment, address)
            return
        self._factor = experiment.system.factor_names.index(address.name)
        self._observed = observed[self._factor]
        own = experiment.current(Change(name, "add", 0.0))
        self._moved = self._of_factor(experiment, address.field, own)

    def of_flow(self, flow: int) -> NDArray[np.float64] | None:
        """Derivative of the logarithm of what the flow bills, (P or 1, T); None where it is 0 everywhere."""
        if flow not in self._known:
            self._known[flow] = self._growth(flow)
        return self._known[flow]

    def _growth(self, flow: int) -> NDArray[np.float64] | None:
        program, parts = self._program, []
        if flow in self._scaled:
            parts.append(1.0 / program.curves[program.scale[0, flow]][None])
        rows = program.flow_sensitivities
        for entry in rows.column[rows.start[flow] : rows.start[flow + 1]]:
            if program.sensitivity_factor[entry] == self._factor:
                parts.append(program.sensitivity_elasticity[entry] * self._moved / self._observed)
        if self._factor >= 0 and program.index[flow] == self._factor:
            rate = program.spread[flow] + self._observed
            parts.append(np.where(rate > 0.0, self._moved / np.where(rate > 0.0, rate, 1.0), 0.0))
        if program.driver[flow] >= 0:
            parts.append(self.of_flow(int(program.driver[flow])))
        if program.drawn_loan[flow] >= 0:
            draw = int(program.draw_flow[program.drawn_loan[flow]])
            drawn = self.of_flow(draw)
            when = int(np.argmax(program.amount[draw] > 0.0))
            parts.append(None if drawn is None else drawn[:, when, None])
        felt = [part for part in parts if part is not None]
        return sum(felt[1:], start=felt[0]) if felt else None

    def _of_factor(self, experiment: Experiment, field: str, own: float | None) -> NDArray[np.float64]:
        """Derivative of the factor's observed value, (P or 1, T)."""
        program, k = self._program, self._factor
        if field == "value":
            return np.ones((1, program.periods))
        if k in experiment.given_factors:
            return np.zeros((1, program.periods))  # its process is not asked
        scale, add = program.curves[program.value_scale[0, k]], program.curves[program.value_add[0, k]]
        linked = (self._observed - add) / np.where(scale == 0.0, 1.0, scale)
        slope = _link_slope(int(program.link[k]), linked)
        inside = (linked > program.floor[k]) & (linked < program.cap[k])
        return np.where(inside, scale * slope * self._of_state(experiment, field, own), 0.0)

    def _of_state(self, experiment: Experiment, field: str, own: float | None) -> NDArray[np.float64]:
        """Derivative of y, (P or 1, T)."""
        program, k = self._program, self._factor
        periods = np.arange(1.0, program.periods + 1.0)[None]
        if field == "shift":
            return np.ones((1, program.periods))
        if field == "drift":
            # Of other processes nothing follows it.
            return np.asarray(periods * (program.period_years * self._is_gbm(experiment)))
        persistence = program.persistence[0, k]
        if field == "mean":
            assert own is not None
            return np.asarray((1.0 - persistence**periods) / _link_slope(int(program.link[k]), np.array(own)))
        assert own is not None
        shocks = draw_shocks(program, 0, experiment.options.seed, experiment.paths).own
        eps = np.tensordot(symmetric_root(program, 0)[k], shocks, axes=1).T  # (P, T)
        pull = -own * program.period_years * self._is_gbm(experiment)
        moved, before = np.empty_like(eps), np.zeros(len(eps))
        for t in range(program.periods):
            before = persistence * before + pull + program.deviation[0, k] / own * eps[:, t]
            moved[:, t] = before
        return moved

    def _is_gbm(self, experiment: Experiment) -> bool:
        return bool(experiment.system.tables["factors"]["process"][self._factor].as_py() == "gbm")


def _link_slope(link: int, linked: NDArray[np.float64]) -> NDArray[np.float64]:
    """Derivative of the link, where its value is `linked`."""
    if link == IDENTITY:
        return np.ones_like(linked)
    return linked if link == EXPONENTIAL else linked * (1.0 - linked)


def _flows(experiment: Experiment, address: Address) -> list[int]:
    """The flows that a row of a scenario for `flow.NAME.scale` hits."""
    flows = Flows(experiment.system.tables)
    kind = address.name.removeprefix(KIND_PREFIX)
    return flows.of_kind(kind) if kind != address.name else [flows.index[address.name]]
