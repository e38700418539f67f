"""Fault seeding: breaks the library in known ways, and sees whether a small set of checks catches each.

A fault replaces text in a copy of the package, which is then imported under a name of its own.
`python tests/faults.py` prints which check catches which fault; test_faults.py runs the same. A fault whose
text is no longer there is an error: it has to be written anew.
"""

from __future__ import annotations

import functools
import importlib
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import numpy as np

import build
import clearing
import gpustress
import strategies
from agreement import Case, Tally, disagreements
from build import entity, flow, scenario
from clearing import DEBT, Network, Payment

PACKAGE = Path(gpustress.__file__).parent
BACKEND = "numpy"


@dataclass(frozen=True)
class Fault:
    """A way to break the library: text of a file, and what stands there instead."""

    name: str
    file: str
    text: str
    instead: str


def _backend(name: str, module: str, text: str, instead: str) -> Fault:
    return Fault(name, f"backends/numpy/{module}.py", text, instead)


FAULTS = (
    # Step 1
    _backend("correlation ignored", "factors",
             "eps[k] += row[j] * drivers.normals[j]", "eps[k] += (j == k) * drivers.normals[j]"),
    _backend("shift ignored", "factors",
             "shifted = y + curves[program.shift[scenario], t][:, None]", "shifted = y.copy()"),
    _backend("a scenario's value before the clip", "factors",
             "    return observed\n",
             "    added = linked * scale + curves[program.value_add[scenario], t][:, None]\n    return "
             "np.clip(added, program.floor[:, None], program.cap[:, None])\n"),
    Fault("stale draws: the first four periods again and again", "draws.py",
          "start // NORMALS_PER_BLOCK, NORMALS,", "0, NORMALS,"),
    Fault("a jump takes the other word", "draws.py",
          "occurs[start:stop] = u[0::2]", "occurs[start:stop] = u[1::2]"),
    Fault("every block draws the words of the first paths", "draws.py",
          "counter=np.array([first_path, block, stream, 0]", "counter=np.array([0, block, stream, 0]"),
    # Step 2
    _backend("hazard does not gather", "credit", "return gathered + added", "return added"),
    _backend("hazard ignores its factors", "credit", "[:, None] * power * program", "[:, None] * program"),
    _backend("credit stops a period late", "period",
             "self._stops_at[:-1][imposed | by_credit] = t\n",
             "self._stops_at[:-1][imposed | by_credit] = t + 1\n"),
    # Step 3
    _backend("a floating rate may be negative", "billing",
             "np.maximum(0.0, program.spread[floating, None] + observed[program.index[floating]])",
             "(program.spread[floating, None] + observed[program.index[floating]])"),
    _backend("re-letting lag off by one", "billing",
             "relet = t >= stops_at", "relet = t > stops_at"),
    _backend("re-letting at the full price", "billing",
             "np.where(relet, program.relet_price[let_again, None],", "np.where(relet, 1.0,"),
    _backend("a stopped tenant ends nothing", "billing", "(program.receiver, program.tenant)", "(program.receiver,)"),
    _backend("a driven flow ignores its driver's gate", "billing",
             "        billed[flows] *= billed[program.driver[flows]]\n",
             "        billed[flows] *= (scheduled[:, None] * power)[program.driver[flows]]\n"),
    _backend("loans are repaid in full whatever was drawn", "billing",
             "billed[drawn] *= share_drawn[program.drawn_loan[drawn]]", "billed[drawn] *= 1.0"),
    # Step 4
    _backend("debt before operating", "settlement",
             "OPERATING, RANKS", "RANKS\nfrom ...schema import DEBT as OPERATING, OPERATING as DEBT"),
    _backend("default costs ignored", "settlement",
             "alpha * claims.own + beta * receipts, liquid", "liquid, liquid"),
    _backend("default costs swapped", "settlement", "alpha, beta = self", "beta, alpha = self"),
    _backend("reserve ignored", "settlement", " - claims.due[DEBT] - claims.reserve", " - claims.due[DEBT]"),
    _backend("slow rings are cut off instead of finished", "settlement",
             "for column in np.flatnonzero(moving):",
             "ratio[:, :-1, claims.path] = now[:, :-1]\n        short[:, claims.path] = is_short\n        for "
             "column in ():"),
    _backend("updates stop before they rest", "settlement",
             "RATIO_TOLERANCE: Final = 1e-12", "RATIO_TOLERANCE: Final = 1e-2"),
    _backend("who has stopped is still paid", "settlement",
             "self._receipts.add(amounts) * claims.receives", "self._receipts.add(amounts)"),
    _backend("in first_round who has stopped still pays", "settlement",
             "ratio[:, :-1] *= going", "ratio[:, :-1] *= 1.0"),
    _backend("finish: default costs of receipts forgotten", "finish",
             "weight = np.where(short, beta, 1.0)", "weight = np.ones(len(short))"),
    _backend("finish: the reserve is not kept", "finish",
             "return senior + self._reserve if rank == DISCRETIONARY else senior", "return senior"),
    _backend("credit line not drawn", "settlement",
             "cash + deposit_interest + credit_line)", "cash + deposit_interest)"),
    _backend("deposits earn on the closing balance", "period",
             "cash = opening + deposit_interest + settled.receipts - settled.payments",
             "cash = (opening + settled.receipts - settled.payments) * (1.0 + program.deposit_rate[:, "
             "None])"),
    _backend("rounding in cash decides who is solvent", "settlement",
             "CASH_RESIDUE: Final = 1e-12", "CASH_RESIDUE: Final = 0.0"),
    _backend("rounding in a credit line decides who is solvent", "settlement",
             "LINE_RESIDUE: Final = 2.0**-48", "LINE_RESIDUE: Final = 0.0"),
    _backend("rounding in a balance decides who is solvent", "books",
             "np.where(np.abs(left) < RESIDUE * program.principal[:, None], 0.0, left)", "left"),
    _backend("interest on the line is forgotten", "period",
             "line_interest = program.line_rate[:, None]",
             "line_interest = 0.0 * program.line_rate[:, None]"),
    _backend("the failed keep their cash", "period",
             "self._cash = np.where(failed, 0.0, cash)", "self._cash = cash"),
    _backend("who fails for want of cash stops at once", "period",
             "self._stops_at[:-1][settled.short] = t + 1", "self._stops_at[:-1][settled.short] = t"),
    # Step 5
    _backend("write-offs left out", "period",
             "insolvent = books.write_off(t, effects, record.failed_at < program.periods, cash)",
             "insolvent = np.zeros_like(settled.short)"),
    _backend("recovery inverted", "books",
             "program.loan_recovery[:, None], 1.0)", "1.0 - program.loan_recovery[:, None], 1.0)"),
    _backend("recovery of exposures inverted", "books",
             "program.exposure_recovery[:, None], 1.0)", "1.0 - program.exposure_recovery[:, None], 1.0)"),
    _backend("one round of write-offs", "books",
             "            insolvent |= new\n",
             "            insolvent |= new\n            return insolvent\n"),
    _backend("impaired again in every period", "books", " & ~self._impaired\n", "\n"),
    _backend("depreciation forgets the impairment", "books",
             "        self._capitalised[: t + 2] *= kept\n", ""),
    _backend("written down for a period too long", "books",
             "np.maximum(t - life, 0)", "np.maximum(t - life - 1, 0)"),
    _backend("opening book never written down", "books", "self._opening / opening_life, 0.0)", "0.0, 0.0)"),
    _backend("in first_round the borrower gets what was paid", "books",
             "billed[flow] if effects == FIRST_ROUND else paid[flow]", "paid[flow]"),
    _backend("insolvent at a tie", "books",
             "(1.0 - SOLVENCY_TOLERANCE) * liabilities", "(1.0 + SOLVENCY_TOLERANCE) * liabilities"),
    _backend("short at a tie", "settlement",
             "(1.0 - SHORT_TOLERANCE) * due_senior", "(1.0 + SHORT_TOLERANCE) * due_senior"),
    _backend("a drawn line is no debt", "books", "np.maximum(-cash, 0.0)", "0.0 * cash"),
    # Step 6
    Fault("discounting off by one", "compilation.py",
          "end = (np.arange(settings.periods) + 1.0) * settings.period_years",
          "end = np.arange(settings.periods) * settings.period_years"),
    _backend("payback without tolerance", "measures",
             "least = -PAYBACK_TOLERANCE * self._gross", "least = 0.0 * self._gross"),
    _backend("payback at the first time, not for good", "measures",
             "] = t + 1\n",
             "] = np.maximum(t + 1, 0) * (self.payback[self.total < -PAYBACK_TOLERANCE * self._gross] == "
             "t)\n"),
    _backend("the trough counts the 0 before the first period", "measures",
             "np.full(shape, np.inf)", "np.zeros(shape)"),
    _backend("present value forgets the discount", "measures", "value * self._discount[t]", "value"),
    # Step 7
    _backend("the liquidity of the failed is left out", "period",
             "record.liquidity(np.where(failed, 0.0, self._cash + line))",
             "record.liquidity(np.where(failed, np.inf, self._cash + line))"),
    _backend("the estate of one period is left to the next", "period",
             "to_estate = np.where(record.failed_at == t, cash",
             "to_estate = np.where(record.failed_at == t - 1, cash"),
    # The program
    Fault("growth counts from the start of the flow", "compilation.py",
          'growth = (1.0 + floats(table, "growth"))[:, None] ** (t * years)',
          'growth = (1.0 + floats(table, "growth"))[:, None] ** (np.maximum(t - integers(table, "start")[:,'
          " None], 0) * years)"),
    Fault("the first payment in the period of the draw", "compilation.py",
          "first = draw + 1 if draw >= 0 else 0", "first = draw if draw >= 0 else 0"),
    Fault("stress lowers correlations", "compilation.py",
          "matrix += stress * (1.0 - matrix)", "matrix += stress * (np.eye(size) - matrix)"),
    Fault("a null rank is operating", "compilation.py",
          "rank or RANK_OF_KIND[str(kind)]", "rank or RANKS[0]"),
    Fault("terms are rounded down", "loans.py",
          "round(years * periods_per_year)", "int(years * periods_per_year)"),
    Fault("D is not left out of a ratio", "compilation.py",
          "np.where(driven, 1.0, years)", "np.where(driven, years, years)"),
    Fault("a row for a kind hits driven flows twice", "parameters.py",
          "if not any(d in candidates for d in self.drivers_of(i))]", "]"),
)  # fmt: skip


# --------------------------------------------------------------------------- broken copies


def seed(fault: Fault, folder: Path) -> None:
    """Break what lies in a folder.

    Raises
    ------
    LookupError
        The fault's text is not there, or several times.
    """
    file = folder / fault.file
    source = file.read_text(encoding="utf-8")
    count = source.count(fault.text)
    if count != 1:
        raise LookupError(
            f"{fault.file} holds the text of the fault {fault.name!r} {count} times: {fault.text!r}; where the "
            "formula has changed, the fault has to quote it anew"
        )
    file.write_text(source.replace(fault.text, fault.instead), encoding="utf-8")


@contextmanager
def broken(fault: Fault | None) -> Iterator[ModuleType]:
    """A copy of the package with a fault, or without one."""
    with tempfile.TemporaryDirectory() as folder:
        name = "gpustress_copy"
        copy = Path(folder) / name
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "native", "*.so"))
        if fault is not None:
            seed(fault, copy)
        sys.path.insert(0, folder)
        writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        importlib.invalidate_caches()
        try:
            yield importlib.import_module(name)
        finally:
            sys.path.remove(folder)
            sys.dont_write_bytecode = writes
            for module in [module for module in sys.modules if module.split(".")[0] == name]:
                del sys.modules[module]


# ------------------------------------------------------------------------------ the checks


def random_cases() -> list[Case]:
    """Random systems, always the same, with everything in them."""
    cases = []
    for number in range(36):
        rng = Random(number)
        shape = {
            "periods_per_year": rng.choice((4, 1, 2)), "periods": rng.choice((6, 10)), "unit": 1.0,
            "tightness": rng.choice((0.1, 0.5, 2.0)), "odd_names": False, "entities": rng.choice((3, 5, 8)),
            "processes": rng.sample(strategies.PROCESSES, 3), "correlated": number % 2 == 0,
            "triggers": rng.choice((0.5, 1.0)), "ring": rng.choice(("none", "leaking")), "flows": 12,
            "driven": 0.3, "loans": 4, "exposures": 5, "measures": 3, "positions": 0, "scenarios": 3,
            "default_costs": number % 3 == 0, "shuffled": False, "edge": True,
        }  # fmt: skip
        effects = "first_round" if number % 6 == 5 else "full"
        cases.append(Case(*strategies.Maker(rng, shape).make(), effects, number, paths=3))
    return cases


def _settings(periods: int, costs: tuple[float, float] = (1.0, 1.0)) -> dict[str, Any]:
    return {
        "name": "check",
        "periods": periods,
        "periods_per_year": 1.0,
        "discount_rate": 0.1,
        "default_costs": costs,
    }


def worked_cases() -> dict[str, Case]:
    """What random systems seldom have."""
    ring = [Payment(i, (i + 1) % 3, DEBT, 1.0) for i in range(3)]
    ends = [Payment(0, None, DEBT, 1e-3), Payment(None, 0, DEBT, 4e-4), Payment(1, None, 2, 1e-4)]
    slow = {
        "a slow ring": Network((0.0,) * 3, (0.0,) * 3, (*ring, *ends)),
        "a slow ring with costs": Network((1e-4,) * 3, (0.0,) * 3, (*ring, *ends), (0.5, 0.9999)),
        "a slow ring with a reserve": Network(
            (0.0,) * 3, (1e-4,) * 3,
            (*(replace(payment, rank=clearing.DISCRETIONARY) for payment in (*ring, *ends[:1])), ends[1]),
        ),
    }  # fmt: skip
    cases = {
        name: Case(_settings(1, network.costs), network.tables(), "full", 1, paths=1)
        for name, network in slow.items()
    }
    ties = {
        "entities": [
            entity("a", 0.3),
            entity("b", 0.0, other_assets=0.3, other_debt=0.3, solvency_trigger=True),
        ],
        "flows": [
            flow("in", None, None, 0.1),
            flow("out", None, None, 0.0),
            flow("due", "a", None, 0.3, end=0),
        ],
        "schedules": [{"flow": "out", "period": 0, "amount": 0.4}],
        "measures": [{"measure": "m", "flow": "out", "weight": -1.0}, {"measure": "m", "flow": "in"}],
    }
    cases["ties"] = Case(_settings(6), ties, "full", 1, paths=1)
    life = {"life": 3.0, "opening_book": 30.0, "tenant": "b", "relet_price": 0.25}
    impaired = {
        "entities": [entity("a", 99.0), entity("b", 1.0)],
        "flows": [flow("c", "a", None, 12.0, "capex", end=1, **life)],
        "measures": [{"measure": "m", "flow": "c:depreciation"}],
        "scenarios": scenario("s", ("entity.b.fail_at", "set", 1.0)),
    }
    cases["an impairment"] = Case(_settings(5), impaired, "full", 1, paths=1)
    cases["what rounding leaves"] = Case(_settings(8), build.pass_through(), "full", 1, paths=40)
    kinds = {
        "entities": [entity("a", 9.0)],
        "flows": [flow("x", None, None, 3.0, "fee"), flow("y", "a", None, 0.5, "fee", driver="x")],
        "scenarios": scenario("s", ("flow.kind:fee.scale", "set", 0.5)),
    }
    cases["a driven flow of the kind of its driver"] = Case(_settings(2), kinds, "full", 1, paths=1)
    return cases


@functools.cache
def checks() -> list[tuple[str, Case, list[tuple[str, int, dict[str, Any]]]]]:
    """Name, question and the oracle's answer."""
    named = worked_cases() | {f"random system {number}": case for number, case in enumerate(random_cases())}
    return [(name, case, case.expected()) for name, case in named.items()]


def first_failure(package: ModuleType) -> str | None:
    """The first check that a copy of the package fails, or None."""
    for name, case, expected in checks():
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                wrong = disagreements(case, case.run(package, BACKEND), expected, Tally())
        except Exception as error:  # a fault may show as any
            return f"{name}: {type(error).__name__}: {error}"
        if not wrong:
            wrong = _replayed_otherwise(package, case, expected)
        if wrong:
            return f"{name}: {' '.join(wrong[0].split())[:120]}"
    return None


def _replayed_otherwise(
    package: ModuleType, case: Case, expected: list[tuple[str, int, dict[str, Any]]]
) -> list[str]:
    """Whether the last path, replayed alone, has another cash than the oracle says."""
    name, path, happened = expected[-1]
    if path == 0:
        return []
    made = build.system(case.settings, case.tables, package)
    replay = package.replay(
        made, scenario=name, path=path, seed=case.seed, effects=case.effects, backend=BACKEND
    )
    cash = build.cash(replay)
    return [f"replay of {name}, path {path}: {entity_}" for entity_ in cash
            if not np.allclose(cash[entity_], happened["cash"][entity_], rtol=1e-9, atol=1e-6)]  # fmt: skip


def main() -> int:
    """Print a line for each fault; 1 if one is not caught."""
    missed = 0
    for fault in (None, *FAULTS):
        start = time.perf_counter()
        try:
            with broken(fault) as package:
                failure = first_failure(package)
            as_it_should = (failure is None) == (fault is None)
        except LookupError as error:
            failure, as_it_should = str(error), False
        missed += not as_it_should
        name = "no fault" if fault is None else fault.name
        verdict, seconds = "ok   " if as_it_should else "WRONG", time.perf_counter() - start
        print(f"{verdict} {seconds:4.1f} s  {name}: {failure or 'passes all checks'}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
