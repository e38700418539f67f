"""One number asked of a run's paths, and how each path moves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..arguments import one_of
from ..book import Book, check_horizon, path_losses, read_book
from ..dates import within
from ..errors import InputError, Problem, bad_argument, nearest, shown
from ..estimates import FIGURES
from ..job import check_system
from ..risk import expected_shortfall, value_at_risk
from ..sampling import binomial_error, check_share, mean_with_error, normal_deviate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..result import Result
    from ..system import System

MEAN: Final = "mean"
QUANTILE: Final = "quantile"
FAILURE: Final = "failure_probability"
SHORTFALL: Final = "expected_shortfall"
STATISTICS: Final = (MEAN, QUANTILE, FAILURE, SHORTFALL)
ANYBODY: Final = "any"  # as an entity: whoever fails first
WITH_LEVEL: Final = (QUANTILE, SHORTFALL)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A statistic of one run.

    Attributes
    ----------
    value, standard_error : float
        The error is nan of one path.
    low, high : float
        Confidence interval: of a mean and an expected shortfall from the normal distribution, of a probability
        Wilson's (1927), of a quantile between order statistics.
    influence : ndarray (P,)
        How each path moves the value, sum 0: the standard error of any difference of two estimates on the same
        paths is the standard deviation of the difference of their influences over sqrt(P).
    """

    value: float
    standard_error: float
    low: float
    high: float
    influence: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Statistic:
    """What is asked of a run; made by `read_statistic`.

    Attributes
    ----------
    name : str
        Of STATISTICS.
    measure, figure : str or None
        Of a measure; None of the losses of a book and of failures.
    book : Book or None
    entities : tuple of int
        Whose failures count, by their places.
    level : float
    horizon : float or None
        Years, of losses and failures.
    label : str
        In words, e.g. "mean npv of ai_net".
    """

    name: str
    measure: str | None
    figure: str | None
    book: Book | None
    entities: tuple[int, ...]
    level: float
    horizon: float | None
    label: str

    def of_paths(self, run: Result, row: int) -> NDArray[np.float64]:
        """The figure on every path of a run, shape (P,): currency, periods, or 1 for a failure."""
        settings = run.system.settings
        if self.measure is not None and self.figure is not None:
            return np.asarray(getattr(run.measures[self.measure], self.figure)[row], dtype=np.float64)
        if self.book is not None:
            table = self.book.loss_by_entity(settings, len(run.entities), self.horizon)
            return path_losses(table, run.failed_at[row])
        last = settings.periods
        if self.horizon is not None:
            ends = (np.arange(settings.periods) + 1.0) * settings.period_years
            last = int(np.count_nonzero(ends <= self.horizon + 1e-9))
        failed = (run.failed_at[row][:, list(self.entities)] < last).any(axis=1)
        return np.asarray(failed, dtype=np.float64)

    def estimate(self, run: Result, row: int, confidence: float) -> Estimate:
        """The statistic of a run, with its error."""
        return estimate_of(
            self.name, self.of_paths(run, row), self.level, confidence, self.measure is not None
        )


def estimate_of(
    name: str, values: NDArray[np.float64], level: float, confidence: float, low_is_bad: bool
) -> Estimate:
    """A statistic of a sample (P,); an expected shortfall is the mean of the lowest where `low_is_bad`."""
    count = values.size
    reach = normal_deviate(confidence)
    if name == FAILURE:
        from scipy.stats import binomtest

        share = float(values.mean())
        ends = binomtest(int(values.sum()), count).proportion_ci(confidence, method="wilson")
        error = float(binomial_error(share, count)) if count > 1 else np.nan
        return Estimate(share, error, float(ends.low), float(ends.high), values - share)
    if name == MEAN:
        value, error = mean_with_error(values)
        return Estimate(value, error, value - reach * error, value + reach * error, values - value)
    if name == QUANTILE:
        found = value_at_risk(values, level, confidence=confidence)
        value, error, low, high = (
            float(x) for x in (found.value, found.standard_error, found.low, found.high)
        )
        # (level - 1{x <= q}) / density, with the density that the order statistics' error stands for.
        scale = error * np.sqrt(count / (level * (1.0 - level))) if count > 1 else np.nan
        return Estimate(value, error, low, high, (level - (values <= value)) * scale)
    sign = -1.0 if low_is_bad else 1.0
    found = expected_shortfall(sign * values, level, confidence=confidence)
    at_risk = float(value_at_risk(sign * values, level).value)
    excess = np.maximum(sign * values - at_risk, 0.0) / (1.0 - level)
    low, high = sorted((sign * float(found.low), sign * float(found.high)))
    influence = sign * (excess - excess.mean())
    return Estimate(sign * float(found.value), float(found.standard_error), low, high, influence)


def paired_error(first: Estimate, second: Estimate) -> float:
    """Standard error of the difference of two estimates on the same paths; nan of one path."""
    count = first.influence.size
    if count < 2:
        return np.nan
    return float(np.std(first.influence - second.influence, ddof=1) / np.sqrt(count))


def read_statistic(
    system: System,
    *,
    statistic: str,
    measure: str | None,
    figure: str,
    positions: Any,
    entity: str | Sequence[str] | None,
    level: float,
    horizon: float | None,
) -> Statistic:
    """Check what is asked for.

    Parameters
    ----------
    system : System
    statistic : str
        mean, quantile, failure_probability or expected_shortfall.
    measure, figure : str or None, str
        A measure and which of its figures; None: the losses of a book, or failures.
    positions : anything that speaks Arrow, or None
        The book; None for the system's own.
    entity : str, sequence of str, or None
        Whose failure: an entity, several of which one is enough, or "any".
    level : float
        Of a quantile or an expected shortfall, strictly between 0 and 1.
    horizon : float or None
        Years, for losses and failures.

    Raises
    ------
    InputError
        A name is unknown, the parts do not go together, or there is no book.
    """
    check_system(system)
    if not one_of(statistic, STATISTICS):
        raise bad_argument("statistic", statistic, "is no statistic", nearest(str(statistic), STATISTICS))
    if statistic in WITH_LEVEL:
        check_share("level", level)
    check_horizon(horizon)
    check_figure(figure)
    problems: list[Problem] = []
    of_a_book = statistic != FAILURE and measure is None
    if positions is not None and not of_a_book:
        problems.append(_clash("positions", None, "goes with the losses of a book alone", "Leave it out."))
    if statistic == FAILURE:
        return _of_failures(system, measure, entity, horizon, problems)
    if horizon is not None and not of_a_book:
        problems.append(_clash("horizon", horizon, "goes with losses and failures alone", "Leave it out."))
    if entity is not None:
        problems.append(
            _clash("entity", entity, f"goes with {FAILURE} alone", f'Write statistic="{FAILURE}".')
        )
    words = statistic.replace("_", " ") + (f" at {level:g}" if statistic in WITH_LEVEL else "")
    if measure is not None:
        _check_measure(system, statistic, measure, figure, problems)
        if problems:
            raise InputError(problems)
        return Statistic(
            statistic, measure, figure, None, (), level, None, f"{words} of {measure}'s {figure}"
        )
    if problems:
        raise InputError(problems)
    book = read_book(system, positions)
    if not book.names:
        raise bad_argument("positions", positions, "hold no position", "Give a book, or name a measure.")
    return Statistic(statistic, None, None, book, (), level, horizon, f"{words} of the book's losses")


def check_figure(figure: str) -> None:
    """Refuse what is no figure of a measure, whether or not a measure is asked for.

    Raises
    ------
    InputError
    """
    if not one_of(figure, FIGURES):
        raise bad_argument("figure", figure, "is no figure of a measure", nearest(str(figure), FIGURES))


def _of_failures(
    system: System,
    measure: str | None,
    entity: str | Sequence[str] | None,
    horizon: float | None,
    problems: list[Problem],
) -> Statistic:
    if measure is not None:
        problems.append(_clash("measure", measure, "is no entity that can fail", "Name an `entity` instead."))
    if entity is None or isinstance(entity, str):
        wanted = [ANYBODY if entity is None else entity]
    elif isinstance(entity, Iterable):
        wanted = list(entity)
    else:
        remedy = 'Give one as text, several as a list, or "any".'
        raise bad_argument("entity", entity, "is no name, and no list of names", remedy)
    known = system.entity_names
    for name in wanted:
        if not one_of(name, (ANYBODY, *known)):
            problems.append(_clash("entity", name, "names no entity", nearest(str(name), known)))
    if not wanted:
        problems.append(_clash("entity", entity, "names nobody", 'Name an entity, or write "any".'))
    if problems:
        raise InputError(problems)
    everybody = ANYBODY in wanted
    places = tuple(i for i, name in enumerate(known) if everybody or name in wanted)
    label = f"probability that {'anybody' if everybody else ' or '.join(dict.fromkeys(wanted))} fails"
    label += within(horizon)
    return Statistic(FAILURE, None, None, None, places, 0.0, horizon, label)


def _check_measure(
    system: System, statistic: str, measure: str, figure: str, problems: list[Problem]
) -> None:
    if not one_of(measure, system.measure_names):
        problems.append(
            _clash("measure", measure, "names no measure", nearest(str(measure), system.measure_names))
        )
    if figure == "payback" and statistic != QUANTILE:
        remedy = 'Write statistic="quantile" and a level; the number of periods stands for never.'
        problems.append(
            _clash("statistic", statistic, "of payback does not exist where some paths never pay", remedy)
        )


def _clash(argument: str, value: object, message: str, remedy: str) -> Problem:
    return Problem(argument, None, None, "" if value is None else shown(value), message, remedy)
