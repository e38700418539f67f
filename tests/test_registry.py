"""Which backend a run takes: the best that works and computes rightly, or the one asked for, or an error that helps."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, get_args

import numpy as np
import pytest

import build
import gpustress as gs
from gpustress.backends import ENVIRONMENT_VARIABLE, get_backend, self_test
from gpustress.backends.base import Block, ClearingOutcome, Hardware, Outcome, Rule, Series, SpreadOutcome
from gpustress.backends.native import backend as native
from gpustress.backends.numpy import NumpyBackend
from gpustress.program import Program
from gpustress.schema import CAUSES
from gpustress.threads import MOST_THREADS

ARRAYS = [field.name for field in dataclasses.fields(Outcome)]
GPU = Hardware("Testdevice 9000", 80 * 10**9, "550.54")
Make = Callable[..., Any]


class Fake(NumpyBackend):
    """The reference under another name, with devices."""

    name = "fake"
    made: list[Fake] = []  # noqa: RUF012 (of a test's own subclass)

    def __init__(self, threads: int | None = None, devices: Sequence[int] | None = None):
        self.threads, self.devices, self.runs = threads, devices, 0
        type(self).made.append(self)

    @property
    def versions(self) -> dict[str, str]:
        return {"fakelib": "1.2.3"}

    @property
    def hardware(self) -> tuple[Hardware, ...]:
        return (GPU,)

    def simulate(self, program: Program, block: Block, series: tuple[Series, ...] = ()) -> Outcome:
        self.runs += 1
        return self.changed(super().simulate(program, block, series))

    def changed(self, outcome: Outcome) -> Outcome:
        return outcome


def fake(**members: Any) -> Any:
    """A new class of fakes: verdicts are kept by what makes a backend."""
    return type("Fake", (Fake,), {"made": [], **members})


def wrong(name: str, amount: float) -> Any:
    """A class of fakes that adds an amount to one array."""

    def changed(_: Fake, outcome: Outcome) -> Outcome:
        array = getattr(outcome, name)
        return dataclasses.replace(outcome, **{name: (array + amount).astype(array.dtype)})

    return fake(changed=changed)


def raising(error: Exception) -> Make:
    def make() -> Any:
        raise error

    return make


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the registry hold numpy and what is given, the best last."""
    registry = sys.modules["gpustress.backends"]

    def put(**made: Make) -> None:
        monkeypatch.setattr(registry, "_BACKENDS", {"numpy": lambda: NumpyBackend(), **made})
        monkeypatch.setattr(registry, "_REMEDIES", dict.fromkeys(made, "buy a device"))

    return put


@pytest.fixture
def system() -> gs.System:
    return build.small(entities=[build.entity("a", 1.0)], flows=[build.flow("rent", "a", None, 3.0)])


# ------------------------------------------------------------------------------- self test


def test_the_self_test_meets_every_cause_of_failure_and_an_exact_finish() -> None:
    outcome = self_test.expected()
    assert set(outcome.cause.reshape(-1).tolist()) == set(range(len(CAUSES)))
    assert outcome.exact_finishes.tolist() == [1]
    assert (outcome.series[0, 0, 1] != 0.0).any()


# Updates are not compared, and nothing weighs the path of the self test.
@pytest.mark.parametrize("name", [name for name in ARRAYS if name not in ("updates", "weight")])
def test_the_self_test_sees_a_wrong_number_in_every_array(name: str) -> None:
    assert name in self_test.fault(wrong(name, 1e-7 if name in AMOUNT_ARRAYS else 1)())


AMOUNT_ARRAYS = ("lowest_liquidity", "final_cash", "total", "npv", "trough", "series")


@pytest.mark.parametrize("name", AMOUNT_ARRAYS)
def test_the_self_test_asks_for_amounts_not_for_bits(name: str) -> None:
    assert self_test.fault(wrong(name, 1e-10)()) == ""
    assert self_test.fault(wrong(name, np.nan)()) != ""


@pytest.mark.parametrize("name", ["payments", "equity", "round", "rounds"])
def test_the_self_test_sees_a_wrong_number_of_a_clearing(name: str) -> None:
    def clear(self: Fake, *question: Any) -> ClearingOutcome:
        outcome = NumpyBackend.clear(self, *question)
        array = getattr(outcome, name).copy()
        array[-1] += 1e-8 if array.dtype == np.float64 else 1
        return dataclasses.replace(outcome, **{name: array})

    assert f"{name} of a clearing" in self_test.fault(fake(clear=clear)())


@pytest.mark.parametrize("name", ["start", "node", "value", "other", "moving"])
@pytest.mark.parametrize("rule", get_args(Rule))
def test_the_self_test_sees_a_wrong_number_of_losses_that_spread(name: str, rule: Rule) -> None:
    def spread(self: Fake, *question: Any) -> SpreadOutcome:
        outcome = NumpyBackend.spread(self, *question)
        if question[2] != rule:
            return outcome
        array = getattr(outcome, name).copy()
        array[0] = array[0] + 1e-8 if array.dtype == np.float64 else not array[0]
        return dataclasses.replace(outcome, **{name: array})

    said = self_test.fault(fake(spread=spread)())
    assert f"{name} of losses that spread by the rule {rule}" in said


def test_a_backend_is_tested_once_a_process_on_one_thread(register: Any, system: gs.System) -> None:
    made = fake()
    register(fake=made)
    for _ in range(3):
        assert get_backend("auto").name == "fake"
        gs.backends()
    assert [(one.threads, one.runs) for one in made.made if one.runs] == [(1, 1)]


def test_nothing_is_tested_at_import() -> None:
    script = (
        "import sys, gpustress; print('gpustress.backends.self_test' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


# -------------------------------------------------------------------------------- fallback


def test_auto_takes_the_best_that_works(register: Any) -> None:
    register(fake=fake(), better=fake(name="better"))
    assert get_backend().name == "better"
    assert [info.works for info in gs.backends()] == [True] * 3


def test_auto_passes_over_what_is_not_installed_in_silence(register: Any, system: gs.System) -> None:
    register(fake=fake(), absent=raising(ImportError("no such library")))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gs.simulate(system, paths=1).backend == "fake"


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (raising(RuntimeError("the device is on fire")), "RuntimeError: the device is on fire"),
        (wrong("final_cash", 1e-3), "in its self test final_cash is"),
        (
            fake(changed=lambda _, outcome: dataclasses.replace(outcome, cause=outcome.cause[:, :0])),
            "cause is",
        ),
    ],
)
def test_auto_says_once_that_a_better_backend_is_broken(
    register: Any, system: gs.System, broken: Make, told: str
) -> None:
    register(fake=fake(), broken=broken)
    with pytest.warns(gs.BackendWarning) as caught:
        taken = [gs.simulate(system, paths=1).backend for _ in range(3)]
    assert taken == ["fake"] * 3
    (warning,) = caught
    assert "`broken` should work here and does not" in str(warning.message)
    assert told in str(warning.message)
    assert "`fake` is taken" in str(warning.message)
    assert warning.filename == __file__
    with pytest.raises(gs.InputError, match="does not work here") as refused:
        get_backend("broken")
    assert told in str(refused.value)


def test_who_names_the_lesser_backend_is_not_warned(
    register: Any, system: gs.System, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(fake=fake(), broken=raising(RuntimeError("smoke")))
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "fake")
    assert gs.simulate(system, paths=1).backend == "fake"


def test_kernels_that_do_not_load_are_a_fault_and_those_not_built_are_not(
    register: Any, system: gs.System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unloadable(name: str) -> Any:
        raise ImportError("undefined symbol: gone")

    register(native=lambda: native.NativeBackend())
    monkeypatch.setattr(native.importlib.util, "find_spec", lambda _: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert get_backend().name == "numpy"
    register(native=lambda: native.NativeBackend())
    monkeypatch.setattr(native.importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(native.importlib, "import_module", unloadable)
    with pytest.warns(gs.BackendWarning, match="the compiled kernels do not load: undefined symbol: gone"):
        assert get_backend().name == "numpy"


# ---------------------------------------------------------------------------------- wishes


@pytest.mark.parametrize("by", ["argument", "variable"])
def test_a_wish_that_can_not_be_met_says_what_is_missing_and_how_to_get_it(
    register: Any, system: gs.System, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    register(absent=raising(ImportError("no such library")))
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "absent" if by == "variable" else "")
    with pytest.raises(gs.InputError) as refused:
        gs.simulate(system, paths=1, backend="auto" if by == "variable" else "absent")
    (problem,) = refused.value.problems
    assert problem.table == (ENVIRONMENT_VARIABLE if by == "variable" else "backend")
    assert problem.message == "does not work here: no such library"
    assert problem.remedy == "buy a device."


def test_every_backend_that_may_be_missing_has_a_remedy() -> None:
    registry: Any = sys.modules["gpustress.backends"]
    assert set(registry._REMEDIES) == set(registry._BACKENDS) - {"numpy"}


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("natvie", "Did you mean `native`?"), ("Numpy", "Did you mean `numpy`?"), ("gpu", "Known:")],
)
def test_an_unknown_name_gets_the_nearest(name: str, remedy: str) -> None:
    with pytest.raises(gs.InputError, match="is no backend") as refused:
        get_backend(name)
    assert remedy in str(refused.value)


# --------------------------------------------------------------------------------- options


def test_options_reach_the_backends_that_take_them(register: Any) -> None:
    register(fake=fake())
    taken: Any = get_backend("fake", threads=3, devices=[1, 0])
    assert (taken.threads, taken.devices) == (3, (1, 0))
    assert get_backend("numpy", threads=3).name == "numpy"


@pytest.mark.parametrize(
    ("backend", "devices"),
    [
        ("numpy", [0]),
        ("fake", 0),
        ("fake", "0"),
        ("fake", [[0]]),
        ("fake", [True]),
        ("fake", {1: 1}),
        ("fake", b"\0"),
    ],
)
def test_devices_that_mean_nothing_are_an_error(register: Any, backend: str, devices: Any) -> None:
    register(fake=fake())
    with pytest.raises(gs.InputError, match="`devices`"):
        get_backend(backend, devices=devices)


def test_devices_may_come_one_by_one(register: Any) -> None:
    register(fake=fake())
    taken: Any = get_backend("fake", devices=iter([1, 0]))  # type: ignore[arg-type]
    assert taken.devices == (1, 0)


def test_a_backend_that_breaks_when_asked_what_it_is_does_not_work(register: Any) -> None:
    class Shy(Fake):
        @property
        def device(self) -> str:
            raise RuntimeError("no comment")

    register(fake=lambda: Shy())
    info = next(info for info in gs.backends() if info.name == "fake")
    assert not info.works
    assert not info.missing
    assert "no comment" in info.reason


def test_a_device_is_tested_before_it_is_taken(register: Any) -> None:
    def changed(self: Fake, outcome: Outcome) -> Outcome:
        cause = outcome.cause + (self.devices == (1,))
        return dataclasses.replace(outcome, cause=cause.astype(np.int8))

    register(fake=fake(changed=changed))
    assert get_backend("fake", devices=[0]).name == "fake"
    with pytest.raises(gs.InputError, match="self test"):
        get_backend("fake", devices=[1])


@pytest.mark.parametrize("threads", [0, -1, 1.5, "many", True, MOST_THREADS + 1])
@pytest.mark.parametrize("call", [gs.simulate, gs.estimate])
def test_a_wrong_number_of_threads_is_an_error_on_every_backend(
    backend: str, system: gs.System, call: Any, threads: Any
) -> None:
    with pytest.raises(gs.InputError, match="`threads`: is no number of threads"):
        call(system, paths=1, backend=backend, threads=threads)


def test_threads_are_an_upper_bound_and_change_no_bit(backend: str, system: gs.System) -> None:
    runs = [
        gs.simulate(system, paths=40, backend=backend, threads=threads) for threads in (1, np.int64(3), None)
    ]
    for other in runs[1:]:
        assert np.array_equal(runs[0].final_cash, other.final_cash)
    assert gs.estimate(system, paths=40, backend=backend, threads=2).paths == 40


# --------------------------------------------------------------------------- command line


def test_info_tells_versions_devices_and_what_is_missing(register: Any, call: Any) -> None:
    register(absent=raising(ImportError("no such library")), fake=fake())
    code, out, err = call("info")
    assert (code, err) == (0, "")
    assert "backend absent: does not work: no such library; buy a device\n" in out
    assert "fakelib 1.2.3" in out
    assert "Testdevice 9000: 80.0 GB of memory, driver 550.54" in out
    told = json.loads(call("info", "--json")[1])
    assert [(one["name"], one["works"]) for one in told["backends"]] == [
        ("numpy", True), ("absent", False), ("fake", True),
    ]  # fmt: skip
    assert told["backends"][-1]["hardware"] == [dataclasses.asdict(GPU)]
    assert set(told["backends"][0]["versions"]) == {"numpy", "scipy"}
    assert told["taken"] == "fake"


def test_the_command_line_tells_of_a_fallback_in_one_line(
    register: Any, system: gs.System, tmp_path: Any, call: Any
) -> None:
    register(broken=raising(RuntimeError("sparks")))
    system.write(tmp_path / "system")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        code, out, err = call("run", str(tmp_path / "system"), "--paths", "2", "--threads", "2")
    assert code == 0
    assert "backend numpy" in out
    assert err.startswith("Warning: backend `broken` should work here and does not (RuntimeError: sparks)")
    assert err.count("\n") == 1


@pytest.mark.parametrize("threads", ["0", "many", str(MOST_THREADS + 1)])
def test_a_wrong_number_of_threads_is_bad_input(
    system: gs.System, tmp_path: Any, call: Any, threads: str
) -> None:
    system.write(tmp_path / "system")
    code, out, err = call("run", str(tmp_path / "system"), "--threads", threads)
    assert (code, out) == (2, "")
    assert "threads" in err
