"""An argument of another kind than is meant is an InputError that names it, wherever it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import gpustress as gs
from contagion_cases import owes
from gpustress import pictures, report
from made import made_result, made_system

NET = owes("abc", ("a", "b", 10.0), ("b", "c", 8.0))
RUN = made_result(effects=("first_round", "full"))
SYSTEM = RUN.system
AX = Figure().subplots()
PARAMETERS = ["flow.sales.scale"]
TOTALS = {"name": ["a", "b"], "owed": [1.0, 1.0], "due": [1.0, 1.0]}

OF_A_RESULT: dict[str, Callable[[Any], object]] = {
    "losses": gs.losses,
    "contributions": gs.contributions,
    "entity_contributions": gs.entity_contributions,
    "flow_contributions": lambda run: gs.flow_contributions(run, "net"),
    "convergence": gs.convergence,
    "cascade_starts": gs.cascade_starts,
    "cascade_followers": gs.cascade_followers,
    "contagion_losses": gs.contagion_losses,
    "failure_links": gs.failure_links,
    "worst_world": gs.worst_world,
    "story": gs.story,
    "explain": gs.explain,
    "from_system": lambda run: gs.Network.from_system(SYSTEM, run, path=0, period=0),
    "cascade_graph": lambda run: pictures.cascade_graph(run, AX),
    "failure_curves": lambda run: pictures.failure_curves(run, AX),
    "cash_fan": lambda run: pictures.cash_fan(run, AX, "alpha"),
    "measure_fan": lambda run: pictures.measure_fan(run, AX, "net"),
    "heat_map": lambda run: pictures.heat_map(run, AX),
    "loss_distribution": lambda run: pictures.loss_distribution(run, AX),
    "find": report.find,
    "report_html": report.report_html,
}
OF_A_SYSTEM: dict[str, Callable[[Any], object]] = {
    "simulate": gs.simulate,
    "replay": lambda system: gs.replay(system, path=0),
    "estimate": gs.estimate,
    "reverse_stress": lambda system: gs.reverse_stress(system, *PARAMETERS, bounds=(0.5, 2.0), target=0.0),
    "sensitivities": lambda system: gs.sensitivities(system, PARAMETERS),
    "likeliest_point": lambda system: gs.likeliest_point(system, entity="any"),
    "sobol_indices": gs.sobol_indices,
    "control_variate": gs.control_variate,
    "claims": lambda system: gs.claims(system, "alpha"),
    "estimate_sweep": gs.estimate_sweep,
}
OF_A_NETWORK: dict[str, Callable[[Any], object]] = {
    "clear": gs.clear,
    "clear_blocks": lambda net: gs.clear_blocks(net, np.ones((1, 3))),
    "cascade": lambda net: gs.cascade(net, None, "each"),
    "debtrank": lambda net: gs.debtrank(net, None, "each"),
    "value_network": lambda net: gs.value_network(net, None, gs.EisenbergNoe()),
}


def cases(functions: dict[str, Callable[[Any], object]]) -> Any:
    return pytest.mark.parametrize("function", list(functions.values()), ids=list(functions))


OTHERS = [None, "out/", pd.DataFrame({"a": [1.0, 2.0]}), np.ones(3)]


@cases(OF_A_RESULT)
def test_what_is_no_result_is_refused_by_name(function: Callable[[Any], object]) -> None:
    for other in [*OTHERS, SYSTEM]:
        with pytest.raises(gs.InputError, match=r"`run`: is no result of a run .*simulate\(system") as caught:
            function(other)
        assert len(caught.value.problems) == 1


@cases(OF_A_SYSTEM)
def test_what_is_no_system_is_refused_by_name(function: Callable[[Any], object]) -> None:
    for other in [*OTHERS, RUN]:
        with pytest.raises(gs.InputError, match=r"`system`: is no System .*read_system"):
            function(other)


@cases(OF_A_NETWORK)
def test_what_is_no_network_is_refused_by_name(function: Callable[[Any], object]) -> None:
    for other in [*OTHERS, SYSTEM]:
        with pytest.raises(gs.InputError, match=r"`net`: is no Network .*Network\(edges"):
            function(other)


def asked(**more: Any) -> object:
    return gs.reverse_stress(SYSTEM, *PARAMETERS, bounds=(0.5, 2.0), target=0.0, **more)


def derived(**more: Any) -> object:
    return gs.sensitivities(SYSTEM, PARAMETERS, **more)


NAMED: dict[str, Callable[[Any], object]] = {
    "flow_contributions measure": lambda name: gs.flow_contributions(RUN, name),
    "flow_contributions figure": lambda name: gs.flow_contributions(RUN, "net", figure=name),
    "sensitivities method": lambda name: derived(method=name),
    "sensitivities statistic": lambda name: derived(statistic=name),
    "sensitivities measure": lambda name: derived(measure=name),
    "sensitivities figure": lambda name: derived(measure="net", figure=name),
    "sensitivities entity": lambda name: derived(statistic="failure_probability", entity=[name]),
    "sensitivities effects": lambda name: derived(effects=name),
    "sensitivities scenario": lambda name: derived(scenario=name),
    "sensitivities backend": lambda name: derived(backend=name),
    "reverse_stress op": lambda name: asked(op=name),
    "reverse_stress scenario": lambda name: asked(scenario=name),
    "likeliest_point figure": lambda name: gs.likeliest_point(SYSTEM, measure="net", figure=name, target=0.0),
    "likeliest_point effects": lambda name: gs.likeliest_point(SYSTEM, entity="any", effects=name),
    "sobol_indices measures": lambda name: gs.sobol_indices(SYSTEM, measures=[name]),
    "control_variate effects": lambda name: gs.control_variate(SYSTEM, effects=name),
    "control_variate figure": lambda name: gs.control_variate(SYSTEM, figure=name),
    "convergence measure": lambda name: gs.convergence(RUN, measure=name),
    "convergence scenario": lambda name: gs.convergence(RUN, scenario=name),
    "worst_world scenario": lambda name: gs.worst_world(RUN, name),
    "worst_world measure": lambda name: gs.worst_world(RUN, measure=name),
    "story which": lambda name: gs.story(RUN, which=name),
    "explain scenario": lambda name: gs.explain(RUN, name),
    "replay scenario": lambda name: gs.replay(SYSTEM, path=0, scenario=name),
    "replay backend": lambda name: gs.replay(SYSTEM, path=0, backend=name),
    "simulate effects": lambda name: gs.simulate(SYSTEM, effects=[name]),
    "simulate record": lambda name: gs.simulate(SYSTEM, record=[name]),
    "simulate variance_reduction": lambda name: gs.simulate(SYSTEM, variance_reduction=name),
    "importance failure": gs.ImportanceSampling,
    "importance cause": lambda name: gs.ImportanceSampling("alpha", cause=name),
    "estimate_sweep books": lambda name: gs.estimate_sweep(
        SYSTEM, books=dict.fromkeys([str(name) + "\ud800"])
    ),
    "sample place": RUN.sample,
    "estimate_sweep keep": lambda name: gs.estimate_sweep(SYSTEM, keep=name),
    "claims holder": lambda name: gs.claims(SYSTEM, name),
    "grid op": lambda name: gs.Scenarios.grid({"flow.sales.scale": [1.0]}, op=name),
    "from_system scenario": lambda name: gs.Network.from_system(SYSTEM, RUN, scenario=name, path=0, period=0),
    "clear method": lambda name: gs.clear(NET, method=name),
    "clear solution": lambda name: gs.clear(NET, solution=name),
    "clear solver": lambda name: gs.clear(NET, solver=name),
    "cascade backend": lambda name: gs.cascade(NET, None, "each", backend=name),
    "debtrank variant": lambda name: gs.debtrank(NET, None, "each", variant=name),
    "value_network solution": lambda name: gs.value_network(NET, None, gs.EisenbergNoe(), solution=name),
    "reconstruct method": lambda name: gs.reconstruct(TOTALS, name),
    "cash_fan entity": lambda name: pictures.cash_fan(RUN, AX, name),
    "failure_curves entities": lambda name: pictures.failure_curves(RUN, AX, entities=[name]),
    "system format": lambda name: SYSTEM.write("never", format=name),
}


@cases(NAMED)
def test_an_array_in_a_names_place_is_refused_as_a_wrong_name_is(function: Callable[[Any], object]) -> None:
    for other in (np.array(["net", "alpha"]), np.array([["full"]]), ["net"], {"net": 1}, 7):
        with pytest.raises(gs.InputError):
            function(other)


NUMBERED: dict[str, Callable[[Any], object]] = {
    "target": lambda number: gs.reverse_stress(SYSTEM, *PARAMETERS, bounds=(0.5, 2.0), target=number, measure="net"),
    "bounds": lambda number: gs.reverse_stress(SYSTEM, *PARAMETERS, bounds=(0.5, number), target=0.0),
    "parameter": lambda number: gs.reverse_stress(SYSTEM, {PARAMETERS[0]: number}, bounds=(0.5, 2.0), target=0.0),
    "horizon": lambda number: gs.losses(RUN, horizon=number),
    "parameters": lambda number: gs.sensitivities(SYSTEM, {PARAMETERS[0]: number}),
    "reach": lambda number: gs.likeliest_point(SYSTEM, entity="any", reach=number),
    "target_error": lambda number: gs.estimate_sweep(SYSTEM, target_error={"failure:alpha": number}),
    "tolerance": lambda number: gs.value_network(NET, tolerance=number),
    "density": lambda number: gs.reconstruct(TOTALS, "fitness", density=number),
    "axes": lambda number: gs.Scenarios.grid({PARAMETERS[0]: [number]}),
    "level": lambda number: gs.value_at_risk([1.0, 2.0], number),
    "alpha": lambda number: gs.clear(NET, method="rogers_veraart", alpha=number),
    "which": lambda number: gs.story(RUN, which=number),
}  # fmt: skip


@pytest.mark.parametrize("argument", list(NUMBERED))
def test_an_integer_that_no_double_holds_is_refused_as_infinity_is(argument: str) -> None:
    for number in (10**400, -(10**400), np.inf, -np.inf, np.nan):
        with pytest.raises(gs.InputError, match=f"`{argument}`"):
            NUMBERED[argument](number)


@pytest.mark.parametrize("run", [RUN, gs.simulate(SYSTEM, paths=16, variance_reduction="importance:alpha")])
@pytest.mark.parametrize("place", [-1, 2, 10**30, 0.0, True, None])
def test_a_sample_is_of_a_run_that_is_there(run: gs.Result, place: Any) -> None:
    with pytest.raises(gs.InputError, match="`place`: is no place of a run"):
        run.sample(place)


def test_a_span_of_time_is_no_amount_of_a_table() -> None:
    nodes = {"name": ["a", "b"], "external_assets": [np.timedelta64(3, "D"), 1.0]}
    with pytest.raises(gs.InputError, match="row 1, column `external_assets`: is not a number"):
        gs.Network({"debtor": ["a"], "creditor": ["b"], "amount": [1.0]}, nodes)


@pytest.mark.parametrize("values", [[1.0, 2.0], ["a", "b"]])
def test_masked_values_of_a_table_are_refused_and_not_taken_for_its_defaults(values: Any) -> None:
    masked = np.ma.array(values, mask=[False, True])
    nodes, entities = {"name": ["a", "b"]}, {"name": ["a", "b"], "cash": [1.0, 1.0]}
    name, amount = ("external_assets", "credit_line") if values[0] == 1.0 else ("source", "role")
    for table, make in (
        ("nodes", lambda given: gs.Network(None, nodes | {name: given})),
        ("entities", lambda given: made_system(2, entities=entities | {amount: given})),
    ):
        with pytest.raises(gs.InputError, match=f"`{table}`, column .*: some of its values are masked"):
            make(masked)
    filled = gs.Network(None, {"name": ["a", "b"], "external_assets": np.ma.array([1.0, 2.0])})
    assert filled.external_assets.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "assets", [7, len, [1j, 0.0], np.ma.masked_equal([1.0, 2.0], 2.0), np.zeros(2, "m8[D]")]
)
def test_external_assets_that_are_no_numbers_are_refused(assets: Any) -> None:
    net = gs.Network({"debtor": ["a"], "creditor": ["b"], "amount": [1.0]}, {"name": ["a", "b"]})
    for ask in (gs.clear, lambda *given: list(gs.clear_blocks(*given))):
        with pytest.raises(gs.InputError, match="`external_assets`"):
            ask(net, assets)


def test_a_valuation_that_gives_complex_numbers_is_refused() -> None:
    net = gs.Network({"debtor": ["a"], "creditor": ["b"], "amount": [1.0]}, {"name": ["a", "b"]})
    with pytest.raises(gs.InputError, match="gives no array of numbers"):
        gs.value_network(net, valuation=lambda equity, assets: np.ones(equity.shape) * 1j)
