"""Pictures: what is drawn is what the result holds, for any names and sizes."""

import dataclasses
import itertools
import math
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pytest

import gpustress as gs
from build import entity, small
from build import flow as payment
from gpustress.dates import period_label
from gpustress.result import Result
from gpustress.sampling import binomial_error, mean_with_error, normal_deviate
from made import made_result, made_system

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex, to_rgb

from gpustress import pictures
from gpustress.estimates import run_place
from gpustress.pictures import style
from gpustress.pictures.fans import LEVELS
from gpustress.pictures.payment_flows import payments

EXAMPLES = Path(__file__).parents[1] / "examples"
BOTH = ("first_round", "full")
LONG = [f"a name of an entity that nobody would give ${i}$ <b>_^ {'x' * 60}" for i in range(12)]
SENSITIVITIES = {"parameter": ["flow.a.scale", "entity.b.cash"], "low": [8.0, 9.0], "high": [13.0, 11.0]}


@pytest.fixture
def ax():
    figure, axes = plt.subplots(layout="constrained")
    yield axes
    figure.canvas.draw()  # a warning of any layout or letter fails the test
    plt.close(figure)


@pytest.fixture(scope="module")
def three_firms():
    system = gs.read_system(EXAMPLES / "three_firms")
    record = ["cash:cloud", "measure:cloud_net"]
    return gs.simulate(system, paths=3, effects=BOTH, record=record, backend="numpy")


def replaced(run, **fields):
    return Result(**{name: getattr(run, name) for name in run.__dataclass_fields__} | fields)


def texts(ax):
    return " | ".join([text.get_text() for text in ax.texts] + [ax.get_title(loc="left"), ax.get_xlabel()])


def band(polygons):
    """Lower and upper edge of a fill_between, by x."""
    (path,) = polygons.get_paths()
    points = path.vertices
    return {
        x: (min(points[points[:, 0] == x, 1]), max(points[points[:, 0] == x, 1]))
        for x in np.unique(points[:, 0])
    }


# --- what is drawn is the result ---


def test_curves_are_the_failure_curves_with_their_bands(ax):
    run = made_result(paths=60)
    assert pictures.failure_curves(run, ax) is ax
    table = run.failure_curve().to_pandas()
    final = table[table.period == 7].set_index("entity").probability
    assert [line.get_label() for line in ax.lines] == list(
        final.sort_values(ascending=False, kind="stable").index
    )
    for line, polygons in zip(ax.lines, ax.collections, strict=True):
        rows = table[table.entity == line.get_label()]
        assert line.get_ydata() == pytest.approx(rows.probability.to_numpy())
        reach = normal_deviate(0.95) * binomial_error(rows.probability.to_numpy(), 60)
        edges = np.array(list(band(polygons).values()))
        assert edges[:, 0] == pytest.approx(np.maximum(rows.probability - reach, 0))
        assert edges[:, 1] == pytest.approx(np.minimum(rows.probability + reach, 1))
        assert f"{line.get_label()} {100 * line.get_ydata()[-1]:.3g} %" in texts(ax)


def test_curves_show_who_is_asked_for_and_say_how_many_are_left_out(ax):
    pictures.failure_curves(made_result(), ax, entities=["gamma"])
    assert [line.get_label() for line in ax.lines] == ["gamma"]
    ax.clear()
    names = [f"e{i}" for i in range(14)]
    system = made_system(
        entities={"name": names, "cash": [1.0] * 14}, flows=flow(names), measures=None, positions=None
    )
    pictures.failure_curves(made_result(system), ax)
    assert len(ax.lines) == 10
    assert "4 more fail less often" in texts(ax)


def test_the_cash_fan_holds_the_quantiles(ax):
    run = made_result(record=["cash:gamma"], paths=41)
    pictures.cash_fan(run, ax, "gamma")
    cash = np.sort(run.series["cash:gamma"][0], axis=0)
    for level, line in zip(LEVELS, ax.lines, strict=False):
        assert line.get_ydata() == pytest.approx(cash[int(np.ceil(level * 41)) - 1])
    assert band(ax.collections[0])[3.0] == (ax.lines[0].get_ydata()[3], ax.lines[4].get_ydata()[3])
    failed = 100 * (run.failed_at[0, :, 2] < 8).mean()
    assert f"({failed:.3g} % of paths)" in texts(ax)


def test_the_cash_fan_marks_the_credit_line_of_its_scenario(ax):
    system = gs.System(
        name="lines", periods=4, periods_per_year=1.0,
        entities={"name": ["firm"], "cash": [1.0], "credit_line": [10.0]},
        flows={"name": ["costs"], "payer": ["firm"], "receiver": [None], "kind": ["opex"], "amount": [4.0]},
        scenarios={"scenario": ["as it is", "wide"], "parameter": [None, "entity.firm.credit_line"],
                   "op": [None, "scale"], "value": [None, 2.0]},
    )  # fmt: skip
    run = gs.simulate(system, paths=2, record=["cash:firm"])
    for scenario, line in (("as it is", 10.0), ("wide", 20.0)):
        ax.clear()
        pictures.cash_fan(run, ax, "firm", scenario=scenario)
        assert -line in [drawn.get_ydata()[0] for drawn in ax.lines if drawn.get_linestyle() == "-."]


@pytest.mark.parametrize(("payback", "said"), [
    ([2, 2, 2, 8, 8], "half have paid back by 2026Q3; 40 % never do"),
    ([2, 8, 8, 8, 8], "80 % of the paths never pay back"),
    ([8, 8, 8, 8, 8], "no path pays back"),
    ([0, 1, 3, 3, 5], "half have paid back by 2026Q4"),
])  # fmt: skip
def test_the_measure_fan_is_of_running_totals_and_tells_the_payback(ax, payback, said):
    run = made_result(record=["measure:net"], paths=5)
    net = run.measures["net"]
    figures = {name: getattr(net, name) for name in ("total", "npv", "trough")}
    run = replaced(run, measures={"net": type(net)(**figures, payback=np.array([payback], dtype=np.int16))})
    pictures.measure_fan(run, ax, "net")
    running = np.sort(run.series["measure:net"][0].cumsum(axis=1), axis=0)
    assert ax.lines[2].get_ydata() == pytest.approx(running[2])
    assert said in texts(ax).split(" | ")
    median = [
        line.get_xdata()[0]
        for line in ax.lines
        if line.get_linestyle() == "--" and len(line.get_xdata()) == 2
    ]
    assert [period_label(run.system.settings, p) in said for p in median] == (
        [True] if "half" in said else []
    )


@pytest.mark.parametrize(
    ("horizon", "said"),
    [(None, "discounted loss, "), (1, "loss within 1 year, "), (0.5, "within 0.5 years, ")],
)
def test_the_loss_histogram_tells_its_horizon(ax, horizon, said):
    pictures.loss_distribution(made_result(paths=50), ax, horizon=horizon)
    assert said in ax.get_xlabel()


def test_the_loss_histogram_counts_each_path_once_and_marks_var_and_es(ax):
    run = made_result(paths=400)
    pictures.loss_distribution(run, ax, level=0.9)
    loss = gs.losses(run)[0]
    assert sum(bar.get_height() for bar in ax.patches if bar.get_height() < 1.0) == pytest.approx(1.0)
    first, last = ax.patches[0], ax.patches[39]
    assert (first.get_x(), last.get_x() + last.get_width()) == pytest.approx((loss.min(), loss.max()))
    marks = [line.get_xdata()[0] for line in ax.lines]
    shortfall = gs.expected_shortfall(loss, 0.9)
    assert marks == pytest.approx([float(gs.value_at_risk(loss, 0.9)), float(shortfall), loss.mean()])
    span = ax.patches[-1].get_window_extent().transformed(ax.transData.inverted())
    assert (span.x0, span.x1) == pytest.approx((shortfall.low, shortfall.high))


def test_the_heat_map_holds_the_probabilities(ax):
    grid = gs.Scenarios.grid({"entity.alpha.cash": [1.0, 2.0, 3.0]})
    run = made_result(scenarios=grid, effects=BOTH, paths=40)
    pictures.heat_map(run, ax)
    drawn = np.asarray(ax.images[0].get_array())
    share = (run.failed_at[1::2] < 8).mean(axis=1)  # of the full runs
    places = [run.entities.index(label.get_text()) for label in ax.get_xticklabels()]
    assert drawn == pytest.approx(100 * share[:, places])
    assert len(ax.texts) == drawn.size


def test_the_ribbons_are_as_wide_as_what_is_paid(ax, three_firms):
    replay = gs.replay(three_firms.system, scenario="base", path=0)
    pictures.payment_flows(replay, ax, 2, settings=three_firms.system.settings)
    flows = replay.flows.to_pandas().query("period == 2 and paid > 0").fillna("outside")
    paid = flows.groupby(["payer", "receiver"]).paid.sum()
    ribbons = {patch.get_label(): np.ptp(patch.get_path().vertices[[0, -2], 1]) for patch in ax.patches
               if " to " in patch.get_label()}  # fmt: skip
    scale = sum(ribbons.values()) / paid.sum()
    assert ribbons == pytest.approx({f"{a} to {b}": amount * scale for (a, b), amount in paid.items()})
    assert f"lab  {paid['lab'].sum():,.3g}" in texts(ax)
    for end in (
        [0, -2],
        [3, 4],
    ):  # where ribbons leave a payer, and where they reach a receiver, none lies on another
        sides = [
            np.sort(patch.get_path().vertices[end, 1]) for patch in ax.patches if " to " in patch.get_label()
        ]
        sides.sort(key=lambda side: side[0])
        assert all(above[1] <= below[0] + 1e-12 for above, below in itertools.pairwise(sides))


def test_payments_leave_out_memo_lines_and_on_demand_the_outside(three_firms):
    replay = gs.replay(three_firms.system, scenario="base", path=0)
    inside = payments(replay, 0, outside=False)
    assert "outside" not in inside.names
    assert inside.paid.sum() == pytest.approx(120 + 15)
    with pytest.raises(gs.InputError, match="no period"):
        payments(replay, 77)


def test_the_cascade_graph_has_an_arrow_for_each_link(ax, three_firms):
    pictures.cascade_graph(three_firms, ax)
    assert {line.get_label() for line in ax.lines} == {"lab", "cloud", "bank"}
    assert len(ax.patches) == 2
    where = {line.get_label(): (line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines}
    ends = {(tuple(patch._posA_posB[0]), tuple(patch._posA_posB[1])) for patch in ax.patches}
    assert ends == {(where["lab"], where["cloud"]), (where["cloud"], where["bank"])}
    assert texts(ax).count("100 %") == 5  # three dots and two arrows


def test_the_cascade_graph_says_where_nobody_falls_by_others_and_how_many_links_it_leaves_out(ax):
    run = made_result(effects=BOTH, failing=0.0)
    assert "Nobody fails because of others" in texts(pictures.cascade_graph(run, ax))
    ax.clear()
    run = made_result(made_system(flows=flow(["alpha", "gamma", "[bold]beta"]), measures=None), effects=BOTH)
    assert gs.failure_links(run).num_rows == 2
    assert "1 rarer links left out" in texts(pictures.cascade_graph(run, ax, most=1))


def test_no_label_of_a_cascade_graph_lies_on_another(ax):
    run = gs.simulate(gs.read_system(EXAMPLES / "ai_buildout"), paths=150, seed=3, effects=BOTH)
    for scenario in run.system.scenarios["scenario"].unique().to_pylist():
        ax.clear()
        pictures.cascade_graph(run, ax, scenario=scenario)
        ax.figure.canvas.draw()
        labels = [text for text in ax.texts if not text.get_text().startswith("dot:")]
        assert len(labels) > 10
        for one, other in itertools.combinations(labels, 2):
            assert not one.get_window_extent().overlaps(other.get_window_extent()), (scenario, one, other)


def test_the_tornado_puts_the_longest_bar_on_top_and_shows_errors(ax):
    table = pa.table(SENSITIVITIES | {"low_error": [0.5, 0.1], "high_error": [0.25, 0.1]})
    pictures.tornado(table, ax, base=10.0, what="npv", currency="EUR")
    low, high = ax.containers[0], ax.containers[2]
    assert [(bar.get_x(), bar.get_width()) for bar in low.patches] == [(10.0, -2.0), (10.0, -1.0)]
    assert [(bar.get_x(), bar.get_width()) for bar in high.patches] == [(10.0, 3.0), (10.0, 1.0)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["flow.a.scale", "entity.b.cash"]
    segment = ax.collections[0].get_segments()[0]
    assert segment[:, 0] == pytest.approx([8.0 - 0.98, 8.0 + 0.98], abs=1e-4)
    assert "EUR" in ax.get_xlabel()


def test_slopes_are_drawn_from_zero_and_other_tables_are_refused(ax):
    slopes = {"parameter": ["a", "b"], "slope": [1.0, -3.0], "standard_error": [0.1, 0.2]}
    pictures.tornado(slopes, ax)
    assert [bar.get_width() for bar in ax.containers[0].patches] == [-3.0, 1.0]
    ax.clear()
    slopes["derivative"] = slopes.pop("slope")
    assert len(pictures.tornado(slopes, ax).containers[0].patches) == 2
    with pytest.raises(gs.InputError, match="parameter, slope"):
        pictures.tornado({"parameter": ["a"]}, ax)
    with pytest.raises(gs.InputError, match="no rows"):
        pictures.tornado({name: pa.array([], pa.float64()) for name in slopes}, ax)


@pytest.mark.parametrize("statistic", ["mean", "value_at_risk", "expected_shortfall"])
def test_convergence_ends_at_the_figure_of_all_paths(ax, statistic):
    values = np.random.default_rng(5).exponential(size=3000)
    pictures.convergence(values, ax, statistic=statistic, level=0.95)
    (x, y), edges = ax.lines[0].get_data(), band(ax.collections[0])
    if statistic == "mean":
        mean, error = mean_with_error(values)
        expected, low = mean, mean - normal_deviate(0.95) * error
    else:
        expected, low = getattr(gs, statistic)(values, 0.95), getattr(gs, statistic)(values, 0.95).low
    assert (x[-1], y[-1]) == (3000, pytest.approx(float(expected)))
    assert edges[3000.0][0] == pytest.approx(low)
    assert x[0] == (10 if statistic == "mean" else 200)


def test_convergence_takes_one_finite_number_a_path(ax):
    for wrong in (np.zeros((2, 3)), [], [1.0, np.inf]):
        with pytest.raises(gs.InputError, match="one finite number a path"):
            pictures.convergence(wrong, ax)
    with pytest.raises(gs.InputError, match="expected_shortfall"):
        pictures.convergence([1.0], ax, statistic="median")


@pytest.mark.parametrize("values", ["x", ["a"], [[1], [1, 2]], np.array([1j, 2.0]), [10**400]])
def test_convergence_refuses_what_are_no_numbers(ax, values):
    with pytest.raises(gs.InputError, match="`values`: is no array of numbers"):
        pictures.convergence(values, ax)


@pytest.mark.parametrize("level", [1, 2, float("nan"), "a", None, [0.9], True])
def test_convergence_refuses_a_level_that_is_no_share(ax, level):
    with pytest.raises(gs.InputError, match="`level`"):
        pictures.convergence([1.0, 2.0], ax, statistic="value_at_risk", level=level)


def test_a_share_converges_in_percent_and_stays_one(ax):
    pictures.convergence(np.arange(400) % 20 == 0, ax, what="alpha fails")
    low, high = np.array(list(band(ax.collections[0]).values())).T
    assert (low.min(), ax.lines[0].get_ydata()[-1]) == (0.0, 0.05)
    assert high.max() < 1.0
    assert ax.get_ylabel() == "alpha fails, % of paths"
    assert "5 %" in texts(ax)


@pytest.fixture(scope="module")
def asked():
    """What the pictures of other things than runs are drawn of."""
    system = made_system()
    found = gs.reverse_stress(system, "flow.sales.scale", bounds=(0.5, 2.0), target=0.0, measure="net",
                              paths=5, points=3)  # fmt: skip
    return gs.replay(system, path=0), found, system.settings


OTHER_KINDS = {
    "table": (None, 7, "x", [1.0], np.ones(3), {"parameter": None}, {"parameter": ["a", "b"], "low": [1.0]}),
    "parameter": ({**SENSITIVITIES, "parameter": [None, "b"]}, {**SENSITIVITIES, "parameter": [1, 2]}),
    "low": ({**SENSITIVITIES, "low": ["x", "y"]}, {**SENSITIVITIES, "low": [None, 1.0]},
            {**SENSITIVITIES, "low": [1.0, np.inf]}),
    "high_error": ({**SENSITIVITIES, "high_error": [-1.0, 1.0]}, {**SENSITIVITIES, "high_error": ["x", "y"]}),
}  # fmt: skip


@pytest.mark.parametrize(
    ("argument", "table"), [(name, table) for name, tables in OTHER_KINDS.items() for table in tables]
)
def test_the_tornado_names_what_is_wrong_with_its_table(ax, argument, table):
    with pytest.raises(gs.InputError, match=f"`{argument}`"):
        pictures.tornado(table, ax)


DRAWN = {
    "tornado": lambda ax, asked, **more: pictures.tornado(SENSITIVITIES, ax, **more),
    "payment_flows": lambda ax, asked, **more: pictures.payment_flows(
        **{"replay": asked[0], "ax": ax, "period": 0} | more
    ),
    "one_path": lambda ax, asked, **more: pictures.one_path(
        **{"replay": asked[0], "ax": ax, "settings": asked[2]} | more
    ),
    "reverse_curve": lambda ax, asked, **more: pictures.reverse_curve(**{"found": asked[1], "ax": ax} | more),
    "cascade_graph": lambda ax, asked, **more: pictures.cascade_graph(made_result(effects=BOTH), ax, **more),
    "failure_curves": lambda ax, asked, **more: pictures.failure_curves(made_result(), ax, **more),
    "convergence": lambda ax, asked, **more: pictures.convergence([1.0, 2.0], ax, **more),
}
WRONG = {
    "base": ("tornado", ["x", None, np.nan, 10**400]),
    "most": ("tornado cascade_graph", ["x", None, 0, -1, 1.5, True]),
    "ends": ("tornado", [None, ("a",), (1, 2), "ab"]),
    "what": ("tornado reverse_curve convergence", [None, 7]),
    "parameter": ("reverse_curve", [None, 7]),
    "currency": ("tornado reverse_curve convergence", [None, 7]),
    "replay": ("payment_flows one_path", [None, 7, "x", np.ones(3), made_system()]),
    "period": ("payment_flows", [None, "x", [1], np.array([1]), 1.0, True, -1, 10**30]),
    "settings": ("payment_flows one_path", [7, "x", made_system()]),
    "outside": ("payment_flows", [None, "no", np.ones(2)]),
    "entities": ("one_path failure_curves", [7, [], [None], [["alpha"]], "nobody"]),
    "found": ("reverse_curve", [None, 7, "x", made_system()]),
    "shift": ("reverse_curve", ["x", None, np.nan]),
    "share": ("reverse_curve", ["no", None, np.ones(2)]),
}


@pytest.mark.parametrize(
    ("picture", "argument", "value"),
    [(picture, name, value) for name, (all_, values) in WRONG.items() for picture in all_.split() for value in values],
)  # fmt: skip
def test_a_picture_refuses_an_argument_of_another_kind_by_name(ax, asked, picture, argument, value):
    with pytest.raises(gs.InputError, match=f"`{argument}`"):
        DRAWN[picture](ax, asked, **{argument: value})


def test_every_picture_refuses_what_is_no_axes(asked):
    run = made_result(effects=BOTH, record=["cash:alpha", "measure:net"])
    of_runs = (
        lambda ax: pictures.heat_map(run, ax),
        lambda ax: pictures.loss_distribution(run, ax),
        lambda ax: pictures.cash_fan(run, ax, "alpha"),
        lambda ax: pictures.measure_fan(run, ax, "net"),
    )
    of_others = [lambda ax, draw=draw: draw(ax, asked) for draw in DRAWN.values()]
    assert len(of_runs) + len(of_others) == len(pictures.__all__)
    for draw in (*of_runs, *of_others):
        for other in (None, "x", plt):
            with pytest.raises(gs.InputError, match="`ax`: is no Axes"):
                draw(other)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [np.s_[:], np.s_[:, ::2], np.s_[:, :, 5:]])
def test_a_fan_refuses_a_series_that_is_not_finite_and_says_where(ax, value, where):
    run = made_result(record=["cash:alpha", "measure:net"])
    series = {name: values.copy() for name, values in run.series.items()}
    for values in series.values():
        values[where] = value
    run = replaced(run, series=series)
    for draw in (lambda: pictures.cash_fan(run, ax, "alpha"), lambda: pictures.measure_fan(run, ax, "net")):
        with pytest.raises(gs.InputError, match=r"holds no finite number in `\w+:\w+`, path 0, period [05]"):
            draw()


# --- one path, and what it takes ---


def test_one_path_shows_the_cash_of_who_fails_until_it_does(ax, three_firms):
    replay = gs.replay(three_firms.system, scenario="base", path=0)
    settings = three_firms.system.settings
    pictures.one_path(replay, ax, settings=settings)
    events = {event["entity"]: event for event in replay.events.to_pylist()}
    assert set(events) == {"lab", "cloud", "bank"}
    lines = {line.get_label(): line for line in ax.lines}
    for name, event in events.items():
        cash = [row["closing_cash"] for row in replay.entities.to_pylist() if row["entity"] == name]
        assert lines[name].get_ydata().tolist() == cash[: event["period"]]
        assert f"{name}: {event['cause']}" in texts(ax)
    crosses = sorted(line.get_xdata()[0] for line in ax.lines if line.get_marker() == "X")
    assert crosses == sorted(event["period"] for event in events.values())
    ax.clear()
    pictures.one_path(replay, ax, settings=settings, entities=["bank"])
    assert len([line for line in ax.lines if len(line.get_xdata()) > 1 and line.get_label() == "bank"]) == 1
    with pytest.raises(gs.InputError, match="entities"):
        pictures.one_path(replay, ax, settings=settings, entities=["nobody"])


def test_where_nobody_fails_one_path_says_so(ax, three_firms):
    replay = gs.replay(three_firms.system, path=0, scenario="base", effects="none")
    assert "nobody fails" in texts(pictures.one_path(replay, ax, settings=three_firms.system.settings))
    assert len([line for line in ax.lines if not line.get_label().startswith("_")]) == 3


def test_where_nobody_fails_one_path_shows_who_lost_most_of_what_it_began_with(ax):
    names = [f"firm_{i}" for i in range(8)]
    system = small(
        periods=3,
        entities=[entity(name, 100.0) for name in names],
        flows=[payment("all at once", "firm_0", None, 90.0, end=0)]
        + [payment(f"costs of {name}", name, None, 1.0 + i) for i, name in enumerate(names) if i > 0],
    )
    pictures.one_path(gs.replay(system, path=0), ax, settings=system.settings)
    assert [line.get_label() for line in ax.lines][:2] == ["firm_0", "firm_7"]


@pytest.mark.parametrize(("target", "met"), [(0.3, True), (1e9, False)])
def test_what_it_takes_is_drawn_with_its_interval(ax, target, met):
    system = made_system()
    found = gs.reverse_stress(system, "entity.alpha.hazard", bounds=(0.0, 1.0), target=target, points=5,
                              statistic="failure_probability", entity="alpha", paths=400,
                              seed=2) if met else gs.reverse_stress(
        system, "flow.sales.scale", bounds=(0.5, 2.0), target=target, measure="net", paths=20, points=3)  # fmt: skip
    pictures.reverse_curve(found, ax, shift=1.0, share=met)
    x, y = ax.lines[0].get_data()
    assert x.tolist() == [point + 1.0 for point in found.evaluations["point"].to_pylist()]
    assert y.tolist() == found.evaluations["value"].to_pylist()
    upright = [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1]
    if met:
        assert found.root + 1.0 in upright
        assert f"{found.low + 1.0:.4g} to {found.high + 1.0:.4g}" in texts(ax)
        assert "target 30 %" in texts(ax)
    else:
        assert not upright
        assert "the target is not met" in texts(ax)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((-math.inf, 0.25), "95 % interval up to 0.25, open below"),
        ((0.125, math.inf), "95 % interval 0.125 up, open above"),
        ((-math.inf, math.inf), "bound it on neither side"),
    ],
)
def test_an_open_interval_is_drawn_to_the_edge_and_said_to_be_open(ax, ends, said):
    found = gs.reverse_stress(made_system(), "entity.alpha.hazard", bounds=(0.0, 1.0), target=0.3, points=5,
                              statistic="failure_probability", entity="alpha", paths=400)  # fmt: skip
    pictures.reverse_curve(dataclasses.replace(found, low=ends[0], high=ends[1]), ax)
    assert said in texts(ax)
    edges = ax.patches[-1].get_window_extent().transformed(ax.transData.inverted())
    assert (edges.x0, edges.x1) == pytest.approx((max(ends[0], 0.0), min(ends[1], 1.0)))


# --- letters that can be read ---


def contrast(one, other):
    light, dark = sorted((style.luminance(one), style.luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_letters_in_any_colour_stand_out_from_paper():
    assert contrast((1.0, 1.0, 1.0), (0.0, 0.0, 0.0)) == pytest.approx(21.0)
    for colour in style.COLOURS:
        assert contrast((1.0, 1.0, 1.0), to_rgb(style.readable(colour))) >= style.CONTRAST
    assert style.readable("#000000") == "#000000"
    assert style.readable("#0072B2") == "#0072b2"  # dark enough as it is


def test_the_figures_of_a_heat_map_stand_out_from_their_cells(ax):
    run = made_result(
        scenarios=gs.Scenarios.grid({"entity.alpha.cash": list(np.arange(1.0, 13.0))}), paths=20
    )
    image = pictures.heat_map(run, ax).images[0]
    cells = image.get_array()
    written = [text for text in ax.texts if text.get_text() != "·"]
    assert len(written) > 20
    for text in written:
        column, row = map(int, text.get_position())
        assert contrast(image.to_rgba(cells[row, column])[:3], to_rgb(text.get_color())) >= style.CONTRAST


# --- for any names and sizes ---


def flow(names):
    others = [*names[1:], None]
    return {"name": [f"f{i}" for i in range(len(names))], "payer": list(names), "receiver": others,
            "kind": ["rent"] * len(names), "amount": [1.0] * len(names)}  # fmt: skip


def long_system():
    return made_system(
        name="a $name$ of a system",
        entities={"name": LONG, "cash": [1.0] * 12, "hazard": [0.1] * 12, "credit_line": [5.0] * 12},
        flows=flow(LONG),
        measures={"measure": [LONG[0]] * 2, "flow": ["f0", "f1"], "weight": [1.0, -1.0]},
        positions={"name": ["p"], "entity": [LONG[0]], "exposure": [1e9]},
    )


def draw_all(run, ax, entity, measure):
    """Every picture of a result, one after another in the same axes."""
    first = run.runs[0].scenario
    for draw in (
        lambda: pictures.failure_curves(run, ax),
        lambda: pictures.cash_fan(run, ax, entity),
        lambda: pictures.measure_fan(run, ax, measure),
        lambda: pictures.loss_distribution(run, ax),
        lambda: pictures.cascade_graph(run, ax),
        lambda: pictures.payment_flows(
            gs.replay(run.system, run.scenario_table, scenario=first, path=0), ax, 0
        ),
        lambda: pictures.heat_map(run, ax),
    ):
        ax.clear()
        assert draw() is ax
        assert ax.get_title(loc="left")
        ax.figure.canvas.draw()


@pytest.mark.parametrize("failing", [0.0, 0.5])
def test_long_names_are_cut_and_mean_nothing_to_matplotlib(ax, failing):
    record = [f"cash:{LONG[0]}", f"measure:{LONG[0]}"]
    run = made_result(long_system(), effects=BOTH, record=record, failing=failing)
    draw_all(run, ax, LONG[0], LONG[0])
    assert len(style.name_of(LONG[0]).replace("\\", "")) == style.LONGEST


def test_one_entity_one_path_one_period(ax):
    record = ["cash:alpha", "measure:net"]
    system = made_system(1, periods=1)
    draw_all(made_result(system, effects=BOTH, record=record, paths=1), ax, "alpha", "net")


def test_forty_scenarios(ax):
    grid = gs.Scenarios.grid({"flow.sales.scale": list(np.linspace(0.0, 2.0, 40))})
    run = made_result(scenarios=grid, effects=BOTH, record=["cash:alpha", "measure:net"])
    draw_all(run, ax, "alpha", "net")
    assert len(ax.get_yticklabels()) == 40


def test_a_scenario_is_known_by_its_name_or_its_runs():
    run = made_result(effects=("none", "first_round", "full"))
    assert run_place(run, None) == run_place(run, "base") == run_place(run, "base/full") == 2
    assert run_place(run, "base/none") == 0
    with pytest.raises(gs.InputError, match="base/full"):
        run_place(run, "bse/full")


def test_what_is_missing_is_named(ax):
    run = made_result()
    with pytest.raises(gs.InputError, match=r"record=\['cash:gamma'\]"):
        pictures.cash_fan(run, ax, "gamma")
    with pytest.raises(gs.InputError, match="gamma"):
        pictures.cash_fan(run, ax, "gama")
    with pytest.raises(gs.InputError, match="first_round"):
        pictures.cascade_graph(run, ax)


def test_labels_keep_their_distance_and_their_order(ax):
    ax.set_ylim(0.0, 1.0)
    style.label_ends(ax, [(0.5, "b", "k"), (0.499, "a", "k"), (0.501, "c", "k"), (0.9, "d", "k")])
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
    gaps = np.diff([heights[name] for name in "abcd"])
    assert (gaps > 0.03).all()
    assert heights["d"] == pytest.approx(0.9)
    assert (heights["a"] + heights["c"]) / 2 == pytest.approx(0.5)


def test_lines_differ_without_their_colour():
    assert len({(line["linestyle"], line["marker"]) for line in map(style.line_of, range(28))}) == 28
    assert all(to_hex(colour) == colour.lower() for colour in style.COLOURS)


def test_gpustress_needs_no_matplotlib_and_pictures_say_how_to_get_it():
    code = """
import sys
sys.modules["matplotlib"] = None
import gpustress, gpustress.simulation, gpustress.result, gpustress.store, gpustress.cli
try:
    import gpustress.pictures
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "pip install 'gpustress[pictures]'" in done.stdout
