"""Who fails first, who follows, and along which links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .errors import bad_argument
from .estimates import result_table
from .result import check_result
from .sampling import binomial_error
from .schema import CAUSES
from .variance_reduction import check_plain

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from .path_sample import PathSample
    from .result import Result
    from .system import System

STEPS: Final = ("imposed", "credit", "liquidity", "solvency")  # of the model, in which an entity can fail
_STEP_OF_CAUSE: Final = np.array([0, *(STEPS.index(cause) for cause in CAUSES[1:])], dtype=np.int32)
NEVER: Final = np.iinfo(np.int32).max


def first_to_fail(run: Result, scenario: int) -> NDArray[np.bool_]:
    """Who fails first on each path of a run: in the earliest period, and there by the earliest step of the model.

    Parameters
    ----------
    run : Result
    scenario : int
        Place in ``run.runs``.

    Returns
    -------
    ndarray, shape (P, N)
        Entities that fail first by the same step are all first; no one is where nobody fails.
    """
    moment = _moments(run, scenario)
    first: NDArray[np.bool_] = (moment == moment.min(axis=1, keepdims=True)) & (moment < NEVER)
    return first


def followers(run: Result, scenario: int, entity: int) -> list[dict[str, Any]]:
    """Who fails on the paths on which an entity is the first to fail.

    Parameters
    ----------
    run : Result
    scenario, entity : int
        Places in ``run.runs`` and ``run.entities``.

    Returns
    -------
    list of dict
        For each other entity that fails on one of those paths: ``entity``, ``probability`` (of failing there,
        with ``standard_error``), and ``contagion`` (of failing there and not when judged alone, likewise; None
        where the scenario did not run with first_round and full). The most likely by contagion come first.
    """
    failed_at = run.failed_at[scenario]
    sample, starts = run.sample(scenario), first_to_fail(run, scenario)[:, entity]
    fails = (failed_at < run.periods) & starts[:, None]
    pair = dict((full, alone) for alone, full in run.contagion_pairs()).get(scenario)
    if run.weights is not None:
        pair = None  # a path weighs otherwise where it is judged alone
    added = None if pair is None else fails & ~(run.failed_at[pair] < run.periods)
    rows = [
        {
            "entity": name,
            "probability": _share(sample, fails[:, place], starts),
            "contagion": None if added is None else _share(sample, added[:, place], starts),
        }
        for place, name in enumerate(run.entities)
        if place != entity and fails[:, place].any()
    ]
    return sorted(rows, key=lambda row: [-(row[key] or {"value": 0.0})["value"]
                                         for key in ("contagion", "probability")])  # fmt: skip


def failure_links(run: Result) -> pa.Table:
    """Who takes whom along: failures that come only with the failures of others, after that of a counterparty.

    A path counts for a pair where the target fails with all effects and not when judged alone, and the source,
    which pays it, owes it or uses what it builds, has failed by then: in an earlier period, or in the same one
    by the same step of the model or an earlier one. Where several counterparties have failed by then, the path
    counts for each.

    Parameters
    ----------
    run : Result

    Returns
    -------
    pyarrow.Table
        scenario, source, target, probability (share of all paths), standard_error (binomial), and a grid's
        coordinates; pairs that no path links are left out.

    Raises
    ------
    InputError
        `run` is no result, no scenario ran with first_round and full, or paths were not drawn independently.
    """
    check_result(run)
    check_plain(run, "who takes whom along")
    pairs = run.contagion_pairs()
    if not pairs:
        raise bad_argument(
            "effects",
            sorted({one.effects for one in run.runs}),
            "who takes whom along is seen in two runs on the same paths, and no scenario ran with both effects",
            'Simulate with effects=["first_round", "full"].',
        )
    linked = _linked(run.system)
    rows = []
    for alone, full in pairs:
        fails = run.failed_at[full] < run.periods
        added = fails & ~(run.failed_at[alone] < run.periods)
        when = _moments(run, full)
        for fallen in np.flatnonzero(added.any(axis=0)):
            paths = when[added[:, fallen]]
            before = (paths <= paths[:, [fallen]]).sum(axis=0) * linked[:, fallen]
            rows += [
                (full, earlier, fallen, before[earlier] / run.paths) for earlier in np.flatnonzero(before)
            ]
    places = np.array([row[:3] for row in rows], dtype=np.intp).reshape(-1, 3)
    which, source, target = places[:, 0], places[:, 1], places[:, 2]
    share = np.array([row[3] for row in rows], dtype=np.float64)
    return result_table(
        "failure_links",
        run,
        which,
        {
            "scenario": (run.scenarios, which),
            "source": (run.entities, source),
            "target": (run.entities, target),
            "probability": share,
            "standard_error": binomial_error(share, run.paths),
        },
    )


def _moments(run: Result, scenario: int) -> NDArray[np.int32]:
    """When entities fail, counted in steps of the model, shape (P, N)."""
    failed_at = run.failed_at[scenario]
    moment: NDArray[np.int32] = failed_at.astype(np.int32) * len(STEPS) + _STEP_OF_CAUSE[run.cause[scenario]]
    moment[failed_at >= run.periods] = NEVER
    return moment


def _share(sample: PathSample, holds: NDArray[np.bool_], among: NDArray[np.bool_]) -> dict[str, float]:
    if sample.is_plain:
        share = float(holds[among].mean())
        return {"value": share, "standard_error": float(binomial_error(share, int(among.sum())))}
    share, error = sample.mean(holds, among)
    return {"value": share, "standard_error": error}


def _linked(system: System) -> NDArray[np.bool_]:
    """Whether the failure of one entity (row) reaches another (column) without a third, shape (N, N)."""
    place = {name: i for i, name in enumerate(system.entity_names)}
    linked = np.zeros((len(place), len(place)), dtype=bool)
    drawn = system.loans.filter(system.loans["draw"].is_valid())
    for table, source, target in (
        (system.flows, "payer", "receiver"),
        (system.flows, "tenant", "payer"),
        (system.loans, "borrower", "lender"),
        (drawn, "lender", "borrower"),
        (system.exposures, "issuer", "holder"),
    ):
        names = (table[column].to_pylist() for column in (source, target))
        for a, b in zip(*names, strict=True):
            if a in place and b in place and a != b:
                linked[place[a], place[b]] = True
    return linked
