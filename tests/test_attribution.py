"""Attribution: who starts and who follows, counted by hand; what contagion adds; bad worlds; stories."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

import gpustress as gs
from build import entity, flow, scenario, small
from gpustress.answers.attribution import worst_paths
from gpustress.answers.storytelling import money
from gpustress.failure_order import first_to_fail
from gpustress.result import Result
from gpustress.schema import CAUSES
from made import made_result, made_system, with_failures

T = 8  # periods of made_system: it survives


def with_causes(failed_at, causes):
    run = with_failures(failed_at)
    fields = {name: getattr(run, name) for name in run.__dataclass_fields__}
    cause = np.array([[CAUSES.index(name) for name in row] for row in causes], dtype=np.int8)
    return Result(**fields | {"cause": cause[None]})


def test_the_first_failure_is_the_earliest_period_and_there_the_earliest_step():
    failed_at = [[2, 3, T], [4, 4, 4], [1, 1, 5], [T, T, T]]
    causes = [["liquidity", "credit", "none"], ["solvency", "credit", "imposed"], ["liquidity", "liquidity", "credit"],
              ["none"] * 3]  # fmt: skip
    first = first_to_fail(with_causes(failed_at, causes), 0)
    assert first.tolist() == [[True, False, False], [False, False, True], [True, True, False], [False] * 3]


def test_starts_and_followers_are_those_counted_by_hand():
    run = with_failures([[1, 2, T], [1, T, T], [T, 3, T], [2, 2, 5], [T, T, T]])
    starts = {row["entity"]: row for row in gs.cascade_starts(run).to_pylist()}
    alpha, beta, gamma = (starts[name] for name in run.entities)
    assert [alpha["probability"], beta["probability"], gamma["probability"]] == [0.6, 0.4, 0.0]
    assert [alpha["share"], beta["share"], gamma["share"]] == pytest.approx([2.5 / 4, 1.5 / 4, 0.0])
    assert [alpha["mean_followers"], beta["mean_followers"], gamma["mean_followers"]] == [
        pytest.approx(2 / 3), 0.5, None]  # fmt: skip
    assert alpha["standard_error"] == pytest.approx(np.sqrt(0.6 * 0.4 / 5))
    followers = {(row["starter"], row["entity"]): row for row in gs.cascade_followers(run).to_pylist()}
    assert len(followers) == 4
    row = followers["alpha", run.entities[1]]
    assert row["probability"] == pytest.approx(
        1 / 3
    )  # beta fails later on the first path, at once on the fourth
    assert row["otherwise"] == pytest.approx(0.5)
    assert row["contagion"] is None


def test_shares_of_the_starters_sum_to_1():
    run = made_result(made_system(4), paths=300, failing=0.4)
    assert sum(gs.cascade_starts(run)["share"].to_pylist()) == pytest.approx(1.0)


def test_a_run_without_failures_has_tables_all_the_same():
    run = with_failures([[T, T, T]] * 5)
    assert gs.cascade_followers(run).num_rows == 0
    assert gs.cascade_starts(run)["share"].null_count == 3


def ring():
    """The bank lives on what the shop owes; the shop fails by a hazard, by demand, or not at all."""
    return small(
        periods=4,
        entities=[entity("shop", 2.0, hazard=0.02), entity("bank", 1.0)],
        factors=[{"name": "demand", "process": "gbm", "volatility": 0.3}],
        flows=[
            flow("sales", None, "shop", 10.0, "revenue"),
            flow("rent", "shop", "bank", 10.0, "rent"),
            flow("wages", "bank", None, 10.0, "opex"),
        ],
        sensitivities=[{"target": "sales", "factor": "demand", "elasticity": 1.0}],
        measures=[{"measure": "net", "flow": "sales"}],
        positions=[{"name": "loan", "entity": "bank", "exposure": 100.0}],
        discount_rate=0.0,
    )


@pytest.fixture(scope="module")
def run():
    return gs.simulate(ring(), paths=2000, seed=2, effects=["first_round", "full"])


def test_contagion_is_all_of_a_loss_that_only_others_cause(run):
    loss, count = gs.contagion_losses(run).to_pylist()
    assert (loss["first_round"], loss["share"], loss["share_error"]) == (0.0, 1.0, 0.0)
    full = gs.losses(run)[1]
    assert loss["full"] == pytest.approx(full.mean())
    assert loss["standard_error"] == pytest.approx(full.std(ddof=1) / np.sqrt(2000))
    failed = (run.failed_at < run.periods).sum(axis=2).mean(axis=1)
    assert count["share"] == pytest.approx((failed[1] - failed[0]) / failed[1])
    followers = gs.cascade_followers(run).to_pylist()
    told = next(row for row in followers if row["scenario"] == "base/full" and row["starter"] == "shop")
    assert told["contagion"] == pytest.approx(told["probability"])


def test_the_error_of_contagions_share_is_the_spread_of_repeated_runs():
    shares, errors = [], []
    for seed in range(80):
        again = gs.simulate(ring(), paths=300, seed=seed, effects=["first_round", "full"])
        _, count = gs.contagion_losses(again).to_pylist()
        shares.append(count["share"])
        errors.append(count["share_error"])
    assert np.mean(errors) == pytest.approx(np.std(shares), rel=0.25)


def test_in_a_bad_world_demand_is_low_and_its_error_that_of_a_part_of_the_paths(run):
    world = gs.worst_world(run, "base", measure="net", figure="total", level=0.1)
    again = gs.simulate(ring(), paths=2000, seed=2, effects="full", record=["factor:demand"])
    demand = again.series["factor:demand"][0]
    bad = -again.measures["net"].total[0]
    worst = bad > np.sort(bad)[199]
    assert np.count_nonzero(worst) == 1800
    for t, row in enumerate(world.to_pylist()):
        assert row["mean"] == pytest.approx(demand[:, t].mean())
        assert row["worst_mean"] == pytest.approx(demand[worst, t].mean())
        assert row["difference"] < -3 * row["standard_error"]


@pytest.mark.parametrize(
    "judge",
    [lambda x, noise: x, lambda x, noise: x + noise, lambda x, noise: np.round(4.0 * (x + noise)),
     lambda x, noise: np.maximum(x + noise - 3.0, 0.0)],
    ids=["the factor itself", "and noise", "with some ties", "most tie"],
)  # fmt: skip
def test_the_error_of_the_worst_paths_is_the_spread_of_repeated_samples(judge):
    draws = np.random.default_rng(5)
    found = []
    for _ in range(800):
        x, noise = draws.standard_normal((2, 1000))
        found.append(worst_paths(judge(x, noise), 0.95).difference(x[:, None]))
    difference, error = np.array(found)[:, :, 0].T
    assert 0.9 < np.sqrt(np.mean(np.square(error))) / difference.std(ddof=1) < 1.1


def test_what_is_the_same_on_all_paths_is_so_on_the_worst_ones_to_the_bit():
    bad = np.random.default_rng(5).standard_normal(997)
    difference, error = worst_paths(bad, 0.95).difference(np.full((997, 3), [0.1, 1.0 / 3.0, 1.1e9]))
    assert difference.tolist() == error.tolist() == [0.0] * 3


@pytest.mark.parametrize(
    ("failing", "worst", "words"),
    [
        (20, 20, "On the worst 20 of 2,000 paths (1 %; the 1,980 paths next to them tie)"),
        (100, 100, "On the worst 5.0 % of the paths"),
        (1000, 1000, "On the worst 1,000 of 2,000 paths (50 %; which all tie)"),
        (0, 0, "No path is worse than another, so there are no worst paths to compare with all."),
        (2000, 0, "No path is worse than another, so there are no worst paths to compare with all."),
    ],
)
def test_where_paths_tie_the_worst_are_those_that_are_worse_and_words_say_how_many(failing, worst, words):
    """The shop fails where demand is lowest; the one loss of the book is all or nothing."""
    demand = np.linspace(0.5, 1.5, 2000)
    system = small(
        entities=[entity("shop")], positions=[{"name": "loan", "entity": "shop", "exposure": 100.0}],
        factors=[{"name": "demand", "process": "gbm", "volatility": 0.3}],
        sensitivities=[{"target": "sales", "factor": "demand", "elasticity": 1.0}],
        flows=[flow("sales", None, "shop", 1.0, "revenue"),
               flow("rent", "shop", None, 0.5 + (failing - 0.5) / 1999, "rent")],
    )  # fmt: skip
    paths = pa.table({"path": np.arange(2000), "period": np.zeros(2000, dtype=int), "demand": demand})
    run = gs.simulate(system, factors=paths)
    assert np.count_nonzero(run.failed_at[0] == 0) == failing
    (row,) = gs.worst_world(run, factors=paths).to_pylist()
    assert row["worst_mean"] == (pytest.approx(demand[:worst].mean()) if worst else None)
    told = gs.explain(run, factors=paths).words[-1]
    assert told.startswith(words)
    assert ("demand" in told) is (worst > 0)


def test_factors_of_ones_own_have_to_be_given_again():
    paths = pa.table({"path": np.repeat(np.arange(20), 4), "period": np.tile(np.arange(4), 20),
                      "demand": np.linspace(0.5, 1.5, 80)})  # fmt: skip
    own = gs.simulate(ring(), factors=paths)
    with pytest.raises(gs.InputError, match="are not the factor paths of the run"):
        gs.worst_world(own)
    assert gs.worst_world(own, factors=paths)["mean"][0].as_py() == pytest.approx(
        paths["demand"].to_numpy()[::4].mean()
    )


def test_the_worst_median_and_quantile_paths_are_those_of_the_order_statistics(run):
    loss = gs.losses(run)[1]
    worst = gs.story(run, "base", which="worst")
    assert loss[worst.path] == loss.max() == worst.value
    value = -np.sort(-run.measures["net"].npv[1])[999]
    median = gs.story(run, "base", which="median", measure="net")
    assert run.measures["net"].npv[1, median.path] == value == median.value
    assert median.share_better == pytest.approx(0.5)
    tenth = gs.story(run, "base/first_round", which=0.1, measure="net", figure="total")
    assert tenth.scenario == "base/first_round"
    assert tenth.replay.scenario == "base/first_round"
    named = gs.story(run, "base", path=17)
    assert (named.path, named.value, named.replay.path) == (17, loss[17], 17)
    with pytest.raises(gs.InputError, match="`path`: is no path of the run"):
        gs.story(run, path=2000)


def test_a_story_tells_who_fails_and_whom_it_leaves_unpaid(run):
    told = gs.story(run, "base", which="worst")
    events = told.replay.events.to_pylist()
    text = str(told)
    assert all(f"{event['entity']} " in text for event in events)
    assert {"shop", "bank"} == {event["entity"] for event in events}
    by_liquidity = next(event for event in events if event["entity"] == "bank")
    assert "bank runs out of cash and fails, leaving " in text
    assert f"period {by_liquidity['period']}: " in text
    assert told.table["period"].to_pylist() == sorted(told.table["period"].to_pylist())


def test_a_story_in_which_nobody_fails_says_so():
    still = small(periods=2, entities=[entity("shop", 2.0)], flows=[flow("sales", None, "shop", 1.0)])
    told = gs.story(gs.simulate(still, paths=3))
    assert str(told) == "period 1: Nobody has failed."
    assert told.judged_by == "0 failures"


def test_cuts_lines_and_write_offs_are_told():
    system = small(
        periods=3,
        entities=[entity("owner", 10.0, credit_line=20.0), entity("tenant", 1.0)],
        flows=[
            flow("site", "owner", None, 8.0, "capex", life=3.0, tenant="tenant"),
            flow("upkeep", "owner", None, 10.0, "opex", end=1),
            flow("rent", "tenant", "owner", 3.0, "rent", start=1),
        ],
    )
    text = str(gs.story(gs.simulate(system, paths=2)))
    assert "owner draws on its credit line." in text
    assert "owner cuts its discretionary payments to 38 %." in text
    assert "tenant runs out of cash and fails, leaving 2 unpaid, most of it to owner." in text
    assert "owner writes off " in text


@pytest.mark.parametrize(
    ("owed", "words"),
    [([6.0, 3.0], "unpaid, most of it to first."), ([4.0, 3.0, 3.0], "the largest part of it to first.")],
)
def test_most_of_what_is_unpaid_is_more_than_half_of_it(owed, words):
    names = ["first", "second", "third"][: len(owed)]
    system = small(
        entities=[entity("shop"), *map(entity, names)],
        flows=[flow(f"rent_{name}", "shop", name, amount) for name, amount in zip(names, owed, strict=True)],
    )
    assert words in str(gs.story(gs.simulate(system, paths=1)))


@pytest.mark.parametrize(
    ("cash", "line", "flows", "effects", "words"),
    [
        (-50.0, 60.0, [flow("sales", None, "shop", 10.0)], "full", None),
        (-50.0, 80.0, [flow("rent", "shop", None, 5.0)], "full", (0, "shop draws on its credit line.")),
        (-50.0, 70.0, [flow("sales", None, "shop", 10.0, end=0), flow("rent", "shop", None, 5.0, start=1)],
         "full", (1, "shop draws on its credit line.")),
        (1.0, 0.0, [flow("rent", "shop", None, 5.0)], "none", (0, "shop's cash falls below 0.")),
        (5.0, 0.0, [flow("rent", "shop", None, 1.0)], "none", None),
    ],
)  # fmt: skip
def test_a_draw_on_a_credit_line_is_told_where_there_is_one(cash, line, flows, effects, words):
    system = small(periods=3, entities=[entity("shop", cash, credit_line=line)], flows=flows)
    told = gs.story(gs.simulate(system, paths=1, effects=effects)).table.to_pylist()
    found = [(row["period"], row["text"]) for row in told if row["text"] != "Nobody has failed."]
    assert found == ([] if words is None else [words])


@pytest.mark.parametrize(
    ("value", "words"),
    [(999.7e6, "1 billion EUR"), (-999.7e6, "-1 billion EUR"), (999.4e6, "999 million EUR"), (999.9, "1 thousand EUR"),
     (0.0, "0 EUR"), (12.34, "12.3 EUR"), (1.234e15, "1,230 trillion EUR"), (9.9996e14, "1,000 trillion EUR")],
)  # fmt: skip
def test_an_amount_has_three_digits_and_no_power_of_ten(value, words):
    assert money(value, "EUR") == words


def test_an_explanation_holds_its_tables_and_says_them(run):
    found = gs.explain(run, "base")
    assert found.scenario == "base/full"
    assert {row["scenario"] for row in found.starts.to_pylist()} == {"base/full"}
    text = " ".join(found.words)
    for wanted in ("shop is the first to fail on", "Contagion makes 100.0 ± 0.0 % of the book's mean loss",
                   "Expected shortfall at 99 % comes from loan",
                   "By who fails first on those paths: shop"):  # fmt: skip
        assert wanted in text
    assert json.loads(json.dumps(found.as_json(), allow_nan=False))["contagion"][0]["share"] == 1.0


def test_factor_shares_are_those_of_the_scenario_that_is_explained():
    system = small(
        periods=2, entities=[entity("shop", 9.0)], flows=[flow("sales", None, "shop", 1.0)],
        factors=[{"name": name, "process": "gbm", "volatility": 0.3} for name in ("demand", "price")],
        sensitivities=[{"target": "sales", "factor": name, "elasticity": 1.0} for name in ("demand", "price")],
        measures=[{"measure": "net", "flow": "sales"}],
        scenarios=scenario("base") + scenario("calm", ("factor.price.volatility", "set", 0.0)),
    )  # fmt: skip
    found = gs.explain(gs.simulate(system, paths=400), "calm", factor_shares=True)
    share = {row["factor"]: row for row in found.shares.to_pylist() if row["output"] == "npv:net"}
    assert share["demand"]["total"] == pytest.approx(1.0, abs=4 * share["demand"]["total_error"])
    assert share["price"]["total"] == 0.0
    assert any(
        words.startswith("The variance of the net present value of net is due to demand")
        for words in found.words
    )


def test_factor_shares_of_given_factor_paths_are_refused():
    paths = pa.table(
        {"path": np.repeat([0, 1], 4), "period": np.tile(np.arange(4), 2), "demand": np.full(8, 0.9)}
    )
    run = gs.simulate(ring(), factors=paths)
    with pytest.raises(gs.InputError, match="the run had paths of its own"):
        gs.explain(run, factors=paths, factor_shares=True)


def test_an_explanation_without_first_round_and_without_a_book_says_what_is_not_known():
    bare = small(periods=2, entities=[entity("shop", 0.0, hazard=0.5)])
    found = gs.explain(gs.simulate(bare, paths=50))
    assert found.contagion is None
    assert any("first_round and full" in sentence for sentence in found.words)


@pytest.mark.parametrize("call", [gs.worst_world, gs.story, gs.explain])
def test_an_unknown_scenario_is_an_error(run, call):
    with pytest.raises(gs.InputError, match="is no scenario of this run"):
        call(run, "nothing")


@pytest.mark.parametrize("which", ["middle", 0.0, 1.5, True])
def test_a_path_that_is_none_is_an_error(run, which):
    with pytest.raises(gs.InputError, match="names no path"):
        gs.story(run, which=which)


def test_contagion_needs_both_effects():
    with pytest.raises(gs.InputError, match="no scenario ran with both"):
        gs.contagion_losses(gs.simulate(ring(), paths=2))
