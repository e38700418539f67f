"""Difference quotients on common random numbers: their steps, which of them to believe, and their bias."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ..errors import bad_argument
from ..parameters import parse_address
from .experiment import COLUMNS, Change, Experiment
from .statistic import Estimate, paired_error

HALVINGS: Final = 4  # of the largest step
SURE: Final = 3.0  # paired standard errors beyond which two steps disagree
SHARE: Final = 0.2  # of the parameter's value: the largest step, where none is given
OF_HAZARD: Final = 0.5  # the same of a hazard, for few paths feel a small one
MOVED: Final = 25  # paths that have to move before a step tells of noise and bias
CLOSING_IN: Final = 0.75  # of a difference of two steps, the next; without noise half of it, or a quarter
STEP: Final = 0.1  # the same for what is no amount, and for what is 0
HAZARD_STEP: Final = 0.01  # for a hazard of 0: one failure in a hundred years
LEAST: Final = 1e-8  # of the step that is taken where none is given: how small a given one may be
ROUNDING: Final = 1e-12  # of the statistic's values: a smaller difference of two steps shows nothing
PARAMETERS: Final = dict.fromkeys(COLUMNS, "parameters")  # what is blamed for each column of a change
CENTRAL, FORWARD, BACKWARD = "central", "forward", "backward"
_POSITIVE: Final = ("scale", "hazard", "credit_line", "volatility", "reversion", "stress", "cash")  # or 0


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
    telling = _telling(quotients) or [0]
    for place in telling:
        if all(_agree(quotients[place], quotients[other], value) for other in telling if other > place):
            return place
    return telling[-1]


def is_settled(quotients: Sequence[Quotient], place: int) -> bool:
    """Whether smaller steps bear out the one that `chosen_step` took: one agrees, or they close in on a limit.

    Where the statistic jumps in the parameter, quotients grow as steps shrink, and there is no derivative.
    """
    if not any(quotient.influence.any() or quotient.value for quotient in quotients):
        return True  # no path moves
    telling = _telling(quotients)
    if any(other > place for other in telling):
        return True
    last = [quotients[other].value for other in telling[-3:]]
    return len(last) == 3 and abs(last[2] - last[1]) <= CLOSING_IN * abs(last[1] - last[0])


def bias_at(quotients: Sequence[Quotient], place: int, order: int) -> float:
    """What is left of a quotient's bias by Richardson's extrapolation; each step is half of the one before.

    Parameters
    ----------
    quotients : sequence of Quotient
        Two or more.
    place : int
    order : int
        The bias is of order h^order: 2 of central differences, 1 of one-sided ones.
    """
    if place + 1 < len(quotients):
        return (quotients[place].value - quotients[place + 1].value) / (1.0 - 0.5**order)
    return (quotients[place - 1].value - quotients[place].value) / (2.0**order - 1.0)


def _telling(quotients: Sequence[Quotient]) -> list[int]:
    return [place for place, quotient in enumerate(quotients) if _moved(quotient) >= MOVED]


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
class Ladder:
    """The steps of one parameter.

    Attributes
    ----------
    parameter : str
    unstressed : float or None
    steps : tuple of float
        The largest first, each half of the one before.
    scheme : str
        central, forward or backward.
    """

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
        """A quotient for each step, from the estimates at `offsets`."""
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
        """The row of the table `sensitivities` where the quotient at `place` is chosen."""
        chosen = quotients[place]
        return {
            "parameter": self.parameter,
            "unstressed": self.unstressed,
            "derivative": chosen.value,
            "standard_error": chosen.standard_error,
            "bias": abs(bias_at(quotients, place, 2 if self.scheme == CENTRAL else 1)),
            "settled": is_settled(quotients, place),
            "step": chosen.step,
            "scheme": self.scheme,
            "down": chosen.down,
            "up": chosen.up,
        }


def ladder_of(experiment: Experiment, parameter: str, largest: float | None) -> Ladder:
    """The steps of a parameter; `largest` None: by its own value.

    Raises
    ------
    InputError
        There is no such parameter, or its step is too small.
    """
    experiment.check([[Change(parameter, "add", 0.0)]], PARAMETERS)
    address = parse_address(parameter)
    assert address is not None
    own = experiment.current(Change(parameter, "add", 0.0))
    relative = address.field not in ("shift", "drift", "stress") and own
    is_hazard = address.field == "hazard"
    share = OF_HAZARD if is_hazard else SHARE
    step = abs(share * own) if relative and own else HAZARD_STEP if is_hazard else STEP
    if largest is not None:
        least = LEAST * step
        step = float(largest)
        if step < least:
            message = f"`{parameter}` has a step of which rounding would leave nothing"
            raise bad_argument("parameters", largest, message, f"Write at least {least:.2g}, or None.")
    scheme = CENTRAL
    if own is not None and address.field in _POSITIVE:
        if own == 0.0:
            scheme = FORWARD
        elif address.field == "stress" and own == 1.0:
            scheme = BACKWARD
        elif largest is None:
            step = min(step, own, 1.0 - own if address.field == "stress" else own)
    return Ladder(parameter, own, tuple(step * 0.5**k for k in range(HALVINGS + 1)), scheme)
