"""What a run promises as a whole: memory, bytes, progress, estimates, and refusal at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import build
import gpustress as gs
from gpustress.backends import get_backend
from gpustress.job import prepare
from gpustress.memory import budget, free_memory, parse_size
from gpustress.simulation import plan, result_bytes
from gpustress.system import System


def firms(periods: int = 4) -> System:
    """Two firms and a customer, with a factor that moves sales and a hazard."""
    return build.small(
        periods=periods,
        entities=[build.entity("a", cash=1.0, hazard=0.1), build.entity("b", cash=0.5)],
        flows=[
            build.flow("sales", None, "a", 3.0, kind="revenue"),
            build.flow("rent", "a", "b", 3.1, kind="rent"),
        ],
        factors=[{"name": "demand", "process": "gbm", "volatility": 0.2}],
        sensitivities=[{"target": "sales", "factor": "demand", "elasticity": 1.0}],
        measures=[{"measure": "net", "flow": "sales"}, {"measure": "net", "flow": "rent", "weight": -1.0}],
        scenarios=[{"scenario": "base"}, *build.scenario("slump", ("flow.sales.scale", "set", 0.8))],
    )


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_same_seed_writes_the_same_bytes_in_any_memory(backend: str, tmp_path: Path) -> None:
    made = firms()
    for name, memory in (("large", "1GB"), ("small", 400_000)):
        run = gs.simulate(made, paths=700, seed=3, backend=backend, memory=memory, record=["cash:a"])
        run.write(tmp_path / name)
    assert files(tmp_path / "large") == files(tmp_path / "small")
    other = gs.simulate(made, paths=700, seed=4, backend=backend)
    assert not np.array_equal(other.final_cash, run.final_cash)


def test_the_command_line_writes_the_same_bytes_in_any_memory(tmp_path: Path) -> None:
    firms().write(tmp_path / "firms")
    for memory in ("900MB", "8MB"):
        arguments = [
            "run",
            str(tmp_path / "firms"),
            "--paths",
            "3000",
            "--memory",
            memory,
            "--out",
            str(tmp_path / memory),
        ]
        subprocess.run(
            [sys.executable, "-m", "gpustress", *arguments], check=True, capture_output=True, timeout=120
        )
    assert files(tmp_path / "900MB") == files(tmp_path / "8MB")


def test_a_run_that_cannot_fit_is_refused_at_once_with_what_would_fit(backend: str) -> None:
    with pytest.raises(gs.InputError, match=r"paths would fit") as caught:
        gs.simulate(firms(), paths=10**9, backend=backend, memory="100MB")
    fitting = int(str(caught.value).split("(")[-1].split(" paths")[0].replace(",", ""))
    assert 10**4 < fitting < 10**7


def test_blocks_stay_within_the_memory_given(backend: str) -> None:
    """A progress hook sees how large blocks are: the smaller the memory, the more of them."""

    def steps(memory: int) -> list[tuple[int, int]]:
        seen: list[tuple[int, int]] = []
        hook = seen.append
        gs.simulate(firms(60), paths=5000, backend=backend, memory=memory, progress=lambda *step: hook(step))
        return seen

    few, many = steps(10**9), steps(900_000)
    for seen in (few, many):
        assert seen[0] == (0, 10_000)
        assert seen[-1] == (10_000, 10_000)
        assert sorted(seen) == seen
    assert len(many) > len(few)


@pytest.mark.parametrize("series", [0, 1, 500])
def test_result_and_block_stay_within_the_memory_given_whatever_is_recorded(
    backend: str, series: int
) -> None:
    program, chosen = prepare(firms(60), None, "full", None).program, get_backend(backend)
    for paths in (10, 1000, 100_000):
        kept = result_bytes(program, paths, series)
        for spare in (0.01, 0.1, 1.0):
            memory = chosen.block_bytes(program, 1, series) + int(kept * (1.0 + spare))
            size = plan(program, chosen, paths, series, memory)
            assert kept + chosen.block_bytes(program, size, series) <= memory


def test_estimate_says_what_a_run_takes(tmp_path: Path) -> None:
    made = firms()
    guess = gs.estimate(made, paths=20_000)
    assert guess.paths == 20_000
    assert guess.runs == 2
    assert guess.seconds > 0.0
    run = gs.simulate(made, paths=20_000)
    run.write(tmp_path / "out")
    written = sum(len(content) for content in files(tmp_path / "out").values())
    assert 0.5 * written < guess.disk_bytes < 2.0 * written
    arrays = sum(array.nbytes for array in (run.failed_at, run.cause, run.lowest_liquidity, run.final_cash))
    assert guess.memory_bytes > arrays


def test_amounts_that_overflow_are_an_error_and_not_a_result(backend: str) -> None:
    made = firms()
    table = {"path": [0] * 4, "period": list(range(4)), "demand": [1e308, 1e308, 1e308, 1e308]}
    with pytest.raises(gs.InputError, match="overflow"):
        gs.simulate(made, paths=1, backend=backend, factors=table)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"path": [0, 0], "period": [0, 1], "demand": [1.0, 1.0]}, "period 2 is missing"),
        ({"path": [0, 0, 0, 0], "period": [0, 1, 2, 2], "demand": [1.0] * 4}, "period 2 stands there twice"),
        ({"path": [1] * 4, "period": [0, 1, 2, 3], "demand": [1.0] * 4}, "path 0, period 0 is missing"),
        ({"path": [0] * 4, "period": [0, 1, 2, 3], "demand": [1.0, None, 1.0, 1.0]}, "values are missing"),
        ({"path": [0] * 4, "period": [0, 1, 2, 3], "demand": [1.0, -1.0, 1.0, 1.0]}, "has to stay positive"),
        ({"path": [0] * 4, "period": [0, 1, 2, 3], "demnd": [1.0] * 4}, "`demand`"),
        ({"path": [0] * 4, "period": [0, 1, 2, 3]}, "gives no factor"),
        ({"path": [], "period": [], "demand": []}, "gives no factor"),
        ({"path": [0] * 4, "period": [0, 1, 2, 4], "demand": [1.0] * 4}, "too large"),
        (3.0, "is no table"),
    ],
)
def test_factor_paths_at_fault_are_named(table: object, message: str) -> None:
    with pytest.raises(gs.InputError, match=message):
        gs.simulate(firms(), factors=table)


def test_factor_paths_say_how_many_paths_there_are() -> None:
    table = {"path": np.repeat(np.arange(3), 4), "period": np.tile(np.arange(4), 3), "demand": np.ones(12)}
    assert gs.simulate(firms(), factors=table).paths == 3
    with pytest.raises(gs.InputError, match="more than the 3"):
        gs.simulate(firms(), factors=table, paths=4)


def test_integers_of_numpy_are_integers() -> None:
    run = gs.simulate(firms(), paths=np.int64(3), seed=np.uint64(2**64 - 1), memory=np.int64(10**8))
    assert run.seed == 2**64 - 1
    path = run.final_cash[0].argmax(axis=0)[0]
    assert gs.replay(firms(), path=path, scenario="base", seed=np.uint64(2**64 - 1)).path == path


@pytest.mark.parametrize(
    ("table", "column", "row"),
    [
        ({"flows": [build.flow("sales", None, "anybody", 1e200)]}, "amount", 0),
        ({"entities": [build.entity("a", cash=1e308)]}, "cash", 0),
        ({"entities": [build.entity("a", cash=1.0), build.entity("b", other_debt=1e151)]}, "other_debt", 1),
        (
            {
                "entities": [build.entity("a"), build.entity("b")],
                "loans": [
                    {
                        "name": "l",
                        "borrower": "a",
                        "lender": "b",
                        "principal": 1e150,
                        "rate": 1e150,
                        "years": 1,
                    }
                ],
            },
            "principal",
            0,
        ),
    ],
)
def test_numbers_that_would_overflow_are_refused_beforehand(
    table: dict[str, list[build.Row]], column: str, row: int
) -> None:
    with pytest.raises(gs.InputError) as caught:
        build.small(**table)
    assert (column, row) in [(problem.column, problem.row) for problem in caught.value.problems]


def test_scenarios_of_a_run_are_held_against_the_horizon() -> None:
    late = build.columns("scenarios", build.scenario("late", ("flow.sales.scale", "set", 0.5, 0, 99)))
    with pytest.raises(gs.InputError, match="lies after the last period"):
        gs.simulate(firms(), late, paths=2)


def test_a_capex_flow_named_kind_is_measured_by_its_own_name(backend: str) -> None:
    made = build.small(
        periods=2,
        entities=[build.entity("a", cash=10.0)],
        flows=[build.flow("kind", "a", None, 1.0, kind="capex", life=2.0)],
        measures=[{"measure": "m", "flow": "kind:depreciation"}],
    )
    assert gs.simulate(made, paths=1, backend=backend).measures["m"].total[0, 0] == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"paths": 0}, "paths"),
        ({"paths": 1.5}, "paths"),
        ({"paths": 10**5000}, "too long to print"),
        ({"paths": True}, "paths"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"effects": "ful"}, "full"),
        ({"effects": ["full", "full"]}, "twice"),
        ({"effects": []}, "none"),
        ({"backend": "nump"}, "numpy"),
        ({"record": ["cash:c"]}, "cash"),
        ({"record": ["money:a"]}, "cash:NAME"),
        ({"memory": "much"}, "size"),
        ({"memory": "0"}, "positive"),
        ({"memory": "9" * 400}, "size"),
        ({"effects": None}, "effects"),
        ({"record": 5}, "record"),
    ],
)
def test_arguments_at_fault_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(gs.InputError, match=message):
        gs.simulate(firms(), **arguments)  # type: ignore[arg-type]


def test_sizes_are_read_as_people_write_them() -> None:
    assert [parse_size(text) for text in ("4GB", "512 MB", "2GiB", "1.5k", 77)] == [
        4 * 10**9, 512 * 10**6, 2 * 2**30, 1500, 77,
    ]  # fmt: skip
    for wrong in ("\uff14GB", "4 gigs", "1_0MB", "", 1.5, True, np.array([1, 2])):
        with pytest.raises(gs.InputError, match="`memory`: is not a size"):
            parse_size(wrong)  # type: ignore[arg-type]
    assert 0 < budget(None) <= free_memory()
    assert budget("1MB") == 10**6


def test_a_backend_from_the_environment_is_taken_by_auto_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUSTRESS_BACKEND", "numpy")
    assert gs.simulate(firms(), paths=2).backend == "numpy"
    monkeypatch.setenv("GPUSTRESS_BACKEND", "abacus")
    with pytest.raises(gs.InputError, match="GPUSTRESS_BACKEND"):
        gs.simulate(firms(), paths=2)
    assert gs.simulate(firms(), paths=2, backend="numpy").backend == "numpy"
