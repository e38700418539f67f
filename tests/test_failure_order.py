"""Who fails first, who follows, and along which links."""

import numpy as np
import pytest

import gpustress as gs
from gpustress.failure_order import first_to_fail, followers
from gpustress.result import Result
from gpustress.schema import CAUSES
from gpustress.summary import summarise
from made import made_result, made_system

LIQUIDITY, SOLVENCY = CAUSES.index("liquidity"), CAUSES.index("solvency")
CHAIN = made_system(
    flows={
        "name": ["rent", "loan"],
        "payer": ["alpha", "[bold]beta"],
        "receiver": ["[bold]beta", "gamma"],
        "kind": ["rent", "interest"],
        "amount": [1.0, 1.0],
    },
    measures=None,
)


def paired(alone, full, cause=None, system=CHAIN):
    """A result of two runs, first_round and full, with these periods of failure (P, N)."""
    failed_at = np.array([alone, full], dtype=np.int16)
    made = made_result(system, effects=("first_round", "full"), paths=failed_at.shape[1])
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    causes = np.where(failed_at < 8, LIQUIDITY, 0).astype(np.int8)
    if cause is not None:
        causes[1] = np.where(failed_at[1] < 8, cause, 0)
    return Result(**fields | {"failed_at": failed_at, "cause": causes})


def links(run):
    return {(row["source"], row["target"]): row["probability"] for row in gs.failure_links(run).to_pylist()}


def test_the_first_to_fail_are_those_before_whom_nobody_failed():
    run = paired([[8, 8, 8]] * 4, [[1, 2, 8], [3, 3, 8], [8, 8, 8], [8, 5, 6]])
    assert first_to_fail(run, 1).mean(axis=0).tolist() == [0.5, 0.5, 0.0]
    told = summarise(run)["runs"][1]["first_failures"]
    assert [one["entity"] for one in told] == ["alpha", "[bold]beta"]
    assert told[0]["probability"] == {"value": 0.5, "standard_error": 0.25}
    steps = paired([[8, 8, 8]], [[2, 2, 2]], cause=np.array([SOLVENCY, LIQUIDITY, LIQUIDITY]))
    assert first_to_fail(steps, 1).tolist() == [[False, True, True]]


def test_followers_are_counted_on_the_paths_of_the_first_failure():
    run = paired([[1, 8, 8], [1, 2, 8], [8, 8, 3]], [[1, 2, 8], [1, 2, 5], [4, 8, 3]])
    beta, gamma = followers(run, 1, 0)
    assert (beta["entity"], beta["probability"]["value"], beta["contagion"]["value"]) == (
        "[bold]beta",
        1.0,
        0.5,
    )
    assert (gamma["entity"], gamma["probability"]["value"], gamma["contagion"]["value"]) == (
        "gamma",
        0.5,
        0.5,
    )
    assert followers(run, 1, 1) == []  # never the first
    alone = made_result(paths=20)
    assert all(row["contagion"] is None for row in followers(alone, 0, 0))


def test_a_link_needs_a_counterparty_that_failed_by_then():
    alone = [[1, 8, 8]]
    assert links(paired(alone, [[1, 2, 3]])) == {("alpha", "[bold]beta"): 1.0, ("[bold]beta", "gamma"): 1.0}
    assert links(paired(alone, [[3, 2, 8]])) == {}  # alpha failed later
    assert links(paired([[1, 2, 8]], [[1, 2, 8]])) == {}  # beta fails alone too
    assert links(paired([[1, 8, 8]], [[1, 8, 3]])) == {}  # alpha pays gamma nothing


def test_within_a_period_the_models_step_decides_who_failed_by_then():
    system = made_system(
        2,
        flows={"name": ["a", "b"], "payer": ["alpha", "[bold]beta"], "receiver": ["[bold]beta", "alpha"],
               "kind": ["rent", "rent"], "amount": [1.0, 1.0]},
        measures=None,
    )  # fmt: skip
    both = links(paired([[8, 8]], [[2, 2]], system=system))
    assert both == {("alpha", "[bold]beta"): 1.0, ("[bold]beta", "alpha"): 1.0}
    one = links(paired([[8, 8]], [[2, 2]], cause=np.array([LIQUIDITY, SOLVENCY]), system=system))
    assert one == {("alpha", "[bold]beta"): 1.0}


def test_links_need_both_effects():
    with pytest.raises(gs.InputError, match="first_round"):
        gs.failure_links(made_result())


def test_three_firms_fall_in_a_row():
    from pathlib import Path

    system = gs.read_system(Path(__file__).parents[1] / "examples" / "three_firms")
    run = gs.simulate(system, paths=2, effects=["first_round", "full"], backend="numpy")
    base = [row for row in gs.failure_links(run).to_pylist() if row["scenario"] == "base/full"]
    assert [(row["source"], row["target"], row["probability"]) for row in base] == [
        ("lab", "cloud", 1.0),
        ("cloud", "bank", 1.0),
    ]
