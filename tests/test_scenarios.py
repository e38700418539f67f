"""Scenarios: names that say what was changed, coordinates, and samples that fill their space."""

import math
from itertools import product

import numpy as np
import pyarrow as pa
import pytest

from gpustress.errors import InputError
from gpustress.scenarios import Scenarios

AXES = {"factor.demand.shift": [-0.5, 0.0], "flow.kind:capex.scale": [0.7, 1, 2]}
BOUNDS = {"factor.demand.shift": (-0.5, 0.5), "entity.a.cash": (0.0, 10.0), "correlation.stress": (0.0, 1.0)}


def test_a_grid_holds_every_combination_and_its_coordinates():
    grid = Scenarios.grid(AXES)
    assert len(grid) == 6
    assert grid.names[0] == "factor.demand.shift=-0.5, flow.kind:capex.scale=0.7"
    assert grid.names[1] == "factor.demand.shift=-0.5, flow.kind:capex.scale=1"
    points = list(zip(*(grid.coordinates[address].to_pylist() for address in AXES), strict=True))
    assert points == list(product(*AXES.values()))
    rows = grid.table.to_pylist()
    assert len(rows) == 12
    first = {"scenario": grid.names[0], "parameter": "factor.demand.shift", "op": "set", "value": -0.5}
    assert first.items() <= rows[0].items()
    assert all(row["start"] is None and row["effects"] is None for row in rows)


def test_the_operation_is_in_the_name():
    assert Scenarios.grid({"entity.a.cash": [2.0]}, op="scale").names == ("entity.a.cash*=2",)
    assert Scenarios.grid({"entity.a.cash": [-2.5]}, op="add").names == ("entity.a.cash+=-2.5",)
    assert Scenarios.grid({"entity.a.cash": [2.0]}, op="add").table["op"].to_pylist() == ["add"]


def test_one_at_a_time_starts_from_the_system_as_it_is():
    scenarios = Scenarios.one_at_a_time(AXES)
    assert scenarios.names == (
        "base",
        "factor.demand.shift=-0.5",
        "factor.demand.shift=0",
        "flow.kind:capex.scale=0.7",
        "flow.kind:capex.scale=1",
        "flow.kind:capex.scale=2",
    )
    assert scenarios.table["parameter"].to_pylist()[0] is None
    assert scenarios.coordinates["factor.demand.shift"].to_pylist() == [None, -0.5, 0.0, None, None, None]


@pytest.mark.parametrize("count", [1, 7, 64])
@pytest.mark.parametrize("make", [Scenarios.latin_hypercube, Scenarios.sobol])
def test_samples_stay_in_their_bounds_and_follow_their_seed(make, count, recwarn):
    sample = make(BOUNDS, count, seed=3)
    assert len(sample) == count
    assert len(set(sample.names)) == count
    for address, (low, high) in BOUNDS.items():
        values = sample.coordinates[address].to_numpy()
        assert ((values >= low) & (values <= high)).all()
        assert (
            sample.table.filter(pa.compute.field("parameter") == address)["value"].to_pylist()
            == values.tolist()
        )
    assert sample == make(BOUNDS, count, seed=3)
    assert sample != make(BOUNDS, count, seed=4)
    assert not recwarn.list


@pytest.mark.parametrize("make", [Scenarios.latin_hypercube, Scenarios.sobol])
def test_a_sample_takes_one_value_in_each_part_of_every_range(make):
    sample = make(BOUNDS, 32)
    for address, (low, high) in BOUNDS.items():
        part = np.floor((sample.coordinates[address].to_numpy() - low) / (high - low) * 32)
        assert sorted(part) == list(range(32))


def test_a_longer_sobol_sample_begins_with_the_shorter_one():
    short, long = Scenarios.sobol(BOUNDS, 5), Scenarios.sobol(BOUNDS, 8)
    for address in BOUNDS:
        assert long.coordinates[address].to_pylist()[:5] == short.coordinates[address].to_pylist()


def test_a_table_keeps_the_order_in_which_it_names_scenarios():
    scenarios = Scenarios({"scenario": ["b", "a", "b"]})
    assert scenarios.names == ("b", "a")
    assert scenarios.coordinates is None
    assert "b" in repr(scenarios)


def test_scenarios_speak_arrow_and_read_back_equal():
    grid = Scenarios.grid(AXES)
    assert Scenarios(grid, coordinates=grid.coordinates) == grid
    assert Scenarios(grid) != grid  # coordinates are no part of the table


def test_scenarios_cannot_be_changed():
    with pytest.raises(AttributeError):
        Scenarios.grid(AXES).table = None


def test_own_coordinates_are_held_against_the_table():
    table = {"scenario": ["a", "b"]}
    kept = Scenarios(table, coordinates={"severity": [1, 2], "scenario": ["a", "b"]}).coordinates
    assert kept.schema.names == ["scenario", "severity"]
    assert kept["severity"].type == pa.float64()
    for bad in (
        {"scenario": ["b", "a"], "x": [1, 2]},
        {"x": [1, 2]},
        {"scenario": ["a", "b"], "x": ["u", "v"]},
        3,
    ):
        with pytest.raises(InputError, match="coordinates"):
            Scenarios(table, coordinates=bad)


@pytest.mark.parametrize(
    "axes",
    [{}, None, {"": [1.0]}, {3: [1.0]}, {"x": []}, {"x": [math.nan]}, {"x": [1.0, 1]}, {"x": [-0.0, 0.0]},
     {"x": "12"}, {"x": [True]}, {"x": [None]}, {"x": 1.0}],
)  # fmt: skip
@pytest.mark.parametrize("make", [Scenarios.grid, Scenarios.one_at_a_time])
def test_faulty_axes_are_errors(make, axes):
    with pytest.raises(InputError, match="`axes`"):
        make(axes)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"bounds": {}}, "bounds"),
        ({"bounds": {"x": (1.0, 1.0)}}, "bounds"),
        ({"bounds": {"x": (2.0, 1.0)}}, "bounds"),
        ({"bounds": {"x": (0.0, math.inf)}}, "bounds"),
        ({"bounds": {"x": 1.0}}, "bounds"),
        ({"bounds": {"": (0.0, 1.0)}}, "bounds"),
        ({"count": 0}, "count"),
        ({"count": 2.0}, "count"),
        ({"seed": -1}, "seed"),
        ({"op": "sett"}, "op"),
    ],
)
@pytest.mark.parametrize("make", [Scenarios.latin_hypercube, Scenarios.sobol])
def test_faulty_samples_are_errors(make, arguments, named):
    with pytest.raises(InputError, match=f"`{named}`"):
        make(**{"bounds": BOUNDS, "count": 4} | arguments)


def test_a_faulty_operation_is_an_error():
    with pytest.raises(InputError, match="set, scale, add"):
        Scenarios.grid(AXES, op="multiply")


def test_a_faulty_table_is_an_error():
    with pytest.raises(InputError, match="scenario"):
        Scenarios({"scenaro": ["a"]})
    with pytest.raises(InputError) as caught:
        Scenarios({"scenario": ["a", "b"], "parameter": ["factor.x.shift"] * 2})
    assert len(caught.value.problems) == 4  # op and value of both rows


HUGE = 10**400


@pytest.mark.parametrize("make", [Scenarios.grid, Scenarios.one_at_a_time])
@pytest.mark.parametrize("axes", [{"x": [1, HUGE]}, {"\ud800": [1.0]}])
def test_axes_beyond_doubles_and_text_are_errors(make, axes):
    with pytest.raises(InputError, match="`axes`"):
        make(axes)


def test_a_grid_beyond_reason_is_an_error():
    with pytest.raises(InputError, match="too many scenarios"):
        Scenarios.grid({f"x{i}": list(range(10)) for i in range(12)})


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"bounds": {"x": (0, HUGE)}}, "bounds"),
        ({"bounds": {"x": (-1.7e308, 1.7e308)}}, "bounds"),
        ({"bounds": {"\ud800": (0, 1)}}, "bounds"),
        ({"count": 10**9}, "count"),
        ({"count": HUGE}, "count"),
    ],
)
@pytest.mark.parametrize("make", [Scenarios.latin_hypercube, Scenarios.sobol])
def test_samples_beyond_reason_are_errors(make, arguments, named):
    with pytest.raises(InputError, match=f"`{named}`"):
        make(**{"bounds": BOUNDS, "count": 4} | arguments)


@pytest.mark.parametrize("column", ["probability", "entity", "period", "value", "measure"])
def test_coordinates_do_not_take_the_names_of_results(column):
    with pytest.raises(InputError, match=r"`coordinates`.*column of results"):
        Scenarios({"scenario": ["a"]}, coordinates={"scenario": ["a"], column: [1.0]})
    with pytest.raises(InputError, match="column of results"):
        Scenarios.grid({column: [1.0]})


def test_coordinates_beyond_doubles_are_errors():
    with pytest.raises(InputError, match="`coordinates`"):
        Scenarios({"scenario": ["a"]}, coordinates={"scenario": ["a"], "x": [HUGE]})
