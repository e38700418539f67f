"""Estimates of a run whose paths were drawn together or weigh differently: `PathSample` gives every figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .schema import CAUSES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .result import Result

    Shares = tuple[NDArray[np.float64], NDArray[np.float64]]


def failure_shares(run: Result) -> tuple[Shares, NDArray[np.float64]]:
    """Probability of failing of any cause and of each, with its error: (S, N, causes); and the mean period."""
    shape = (len(run.runs), len(run.entities), len(CAUSES))
    share, error, period = np.empty((3, *shape))
    for place in range(shape[0]):
        sample, failed_at = run.sample(place), run.failed_at[place]
        for entity in range(shape[1]):
            cause = run.cause[place, :, entity]
            holds = np.stack([cause > 0, *(cause == number for number in range(1, len(CAUSES)))], axis=1)
            share[place, entity], error[place, entity] = sample.share(holds)
            for column in range(shape[2]):
                period[place, entity, column], _ = sample.mean(failed_at[:, entity], among=holds[:, column])
    return (share, error), period


def curve_shares(run: Result, place: int) -> Shares:
    """Probability of having failed by the end of each period under one of the runs, with its error: (N, T)."""
    share, error = np.zeros((2, len(run.entities), run.periods))
    sample, failed_at = run.sample(place), run.failed_at[place]
    for entity in range(len(run.entities)):
        for t in range(run.periods):
            if t and not (failed_at[:, entity] == t).any():  # nobody does in this period
                share[entity, t], error[entity, t] = share[entity, t - 1], error[entity, t - 1]
                continue
            share[entity, t], error[entity, t] = sample.mean(failed_at[:, entity] <= t)
    return share, error


def contagion_shares(
    run: Result, alone: int, full: int
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Shares of first_round, full, added and spared by entity, and the paired error, of two of the runs.

    Where paths weigh differently, each run has drawn them its own way, and no weight is that of what happens in both:
    added and spared are nan.
    """
    fails = {"first_round": run.failed_at[alone] < run.periods, "full": run.failed_at[full] < run.periods}
    samples = {"first_round": run.sample(alone), "full": run.sample(full)}
    shares = {name: samples[name].share(each)[0] for name, each in fails.items()}
    if run.weights is None:
        both = fails["full"], fails["first_round"]
        shares |= {"added": samples["full"].share(both[0] & ~both[1])[0]}
        shares |= {"spared": samples["full"].share(both[1] & ~both[0])[0]}
    else:
        shares |= dict.fromkeys(("added", "spared"), np.full(len(run.entities), np.nan))
    error = np.array([
        samples["full"].difference_error(
            fails["full"][:, place], samples["first_round"], fails["first_round"][:, place]
        )
        for place in range(len(run.entities))
    ])  # fmt: skip
    return shares, error
