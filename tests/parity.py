"""Whether a backend agrees with the reference: amounts to 1e-9 of what is at stake, decisions but for near ties."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agreement import AMOUNTS, NEAR_TIE, ROUNDING
from gpustress.backends.base import Backend, Block, Outcome
from gpustress.program import Program

Arrays = dict[str, NDArray[Any]]
BY_ENTITY = (
    "opening_cash",
    "deposit_interest",
    "line_interest",
    "receipts",
    "payments",
    "closing_cash",
)


@dataclass(frozen=True)
class Answer:
    """What a backend says of a block: its outcome, and everything that happened, by scenario."""

    outcome: Outcome
    traces: list[Arrays]

    @staticmethod
    def of(backend: Backend, program: Program, block: Block) -> Answer:
        traces = [backend.trace(program, block, s).arrays for s in range(len(program.scenarios))]
        return Answer(backend.simulate(program, block), traces)


@dataclass
class Tally:
    """What was compared.

    Attributes
    ----------
    decisions, exempt : int
        Periods of failure, causes and paybacks; how many of them belong to paths that came so near to a threshold
        that they are allowed to differ, whether they do or not.
    """

    decisions: int = 0
    exempt: int = 0


def disagreements(
    program: Program, reference: Answer, other: Answer, tally: Tally | None = None
) -> list[str]:
    """Every way in which another backend's answer differs from the reference's, in words."""
    wrong = []
    tally = tally or Tally()
    for s, name in enumerate(program.scenarios):
        theirs, ours = reference.traces[s], other.traces[s]
        if set(ours) != set(theirs) - {"margin"}:
            return [f"{name}: the trace has {sorted(ours)}"]
        scales = Scales(program, s, theirs)
        near = theirs["margin"][:, -1] < NEAR_TIE
        decisions = list(_decisions(s, reference, other, scales))
        count = sum(scored.shape[1] for _, scored, _ in decisions) - scales.noise.sum(axis=1)
        tally.decisions += int(count.sum())
        tally.exempt += int(count[near].sum())
        differs = np.zeros(len(near), dtype=bool)
        for what, expected, given in decisions:
            differing = expected != given
            differs |= differing.any(axis=1)
            wrong += [
                f"{name}, path {p}: {what} {i} is {given[p, i]}, not {expected[p, i]}"
                for p, i in np.argwhere(differing & ~near[:, None])
            ]
        for what, expected, given, scale in _amounts(s, reference, other, scales):
            agrees = np.abs(given - expected) <= AMOUNTS * scale  # what is not a number does not
            wrong += [
                f"{name}, path {place[0]}: {what} {place[1:]} is {given[tuple(place)]}, not {expected[tuple(place)]}"
                f" (of {np.broadcast_to(scale, given.shape)[tuple(place)]})"
                for place in np.argwhere(~agrees)
                if not (near & differs)[place[0]]
            ]
    return wrong


class Scales:
    """What errors of amounts under one scenario are held against, from the reference's trace.

    Attributes
    ----------
    entity : ndarray (P, N)
        The largest cash, credit line or receipts of a period.
    flow : ndarray (P, F)
        What is billed, or what its parties hold.
    loan, capex : ndarray (P, L), (P, C)
        The principal, or what its parties hold; the opening book and all payments, or what the payer holds.
    factor : ndarray (P, K)
        The largest level.
    measure : ndarray (P, M)
        The sum of |weight * paid|, unless rounding is all that it holds.
    noise : ndarray (P, M) of bool
        Measures of nothing but rounding: they pay back, or not, by chance.
    """

    def __init__(self, program: Program, scenario: int, trace: Arrays):
        paths = len(trace["margin"])

        def most(name: str) -> NDArray[np.float64]:
            """The largest of all periods, (P, items)."""
            return np.abs(trace[name]).max(axis=1)

        held = np.maximum(np.abs(program.cash[scenario]), program.credit_line[scenario])
        self.entity = np.maximum.reduce(
            [most("closing_cash"), most("receipts"), np.repeat(held[None], paths, axis=0)]
        )
        parties = np.hstack([self.entity, np.zeros((paths, 1))])  # the last is outside
        self.flow = np.maximum.reduce(
            [most("billed"), parties[:, program.payer], parties[:, program.receiver]]
        )
        self.loan = np.maximum.reduce(
            [
                np.repeat(program.principal[None], paths, axis=0),
                parties[:, program.borrower],
                parties[:, program.lender],
            ]
        )
        invested = program.capex_opening_book + trace["paid"][:, :, program.capex].sum(axis=1)
        self.capex = np.maximum(invested, parties[:, program.payer[program.capex]])
        self.factor = np.maximum(most("factor"), np.abs(program.initial))
        lines = np.concatenate([trace["paid"], trace["depreciation"], trace["impairment"]], axis=2)
        at_stake = np.hstack([self.flow, self.capex, self.capex])
        gross, stake = (
            self._by_measure(program, amounts) for amounts in (np.abs(lines).sum(axis=1), at_stake)
        )
        self.measure = np.maximum(gross, 1e-5 * stake)
        self.noise = (gross > 0.0) & (gross < ROUNDING * stake)

    @staticmethod
    def _by_measure(program: Program, amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums of |weight| * amounts (P, lines) over the lines of each measure, (P, M)."""
        rows = program.measures
        places = [rows.column[a:b] for a, b in zip(rows.start[:-1], rows.start[1:], strict=True)]
        sums = [
            amounts[:, program.measure_line[place]] @ np.abs(program.measure_weight[place])
            for place in places
        ]
        return np.stack(sums, axis=1) if sums else np.zeros((len(amounts), 0))


def _decisions(
    s: int, reference: Answer, other: Answer, scales: Scales
) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """What, as the reference and as the other has it: arrays (P, items)."""
    for name in ("failed_at", "cause", "payback"):
        theirs, ours = (getattr(answer.outcome, name)[s] for answer in (reference, other))
        if name == "payback":
            theirs, ours = (np.where(scales.noise, 0, periods) for periods in (theirs, ours))
        yield name, theirs, ours


def _amounts(
    s: int, reference: Answer, other: Answer, scales: Scales
) -> Iterator[tuple[str, NDArray[Any], NDArray[Any], Any]]:
    """What, as the reference and as the other has it, and what is at stake."""
    for names, scale in ((("lowest_liquidity", "final_cash"), scales.entity),
                         (("total", "npv", "trough"), scales.measure)):  # fmt: skip
        for name in names:
            yield name, getattr(reference.outcome, name)[s], getattr(other.outcome, name)[s], scale
    theirs, ours = reference.traces[s], other.traces[s]
    state = np.maximum(1.0, np.abs(theirs["y"]).max(axis=1))
    for names, scale in (
        (("y",), state), (("factor",), scales.factor), (("billed", "paid"), scales.flow), (BY_ENTITY, scales.entity),
        (("balance",), scales.loan), (("book", "depreciation", "impairment"), scales.capex),
        (("measure",), scales.measure), (("estate",), scales.entity.sum(axis=1)),
        (("gathered_hazard",), np.abs(theirs["gathered_hazard"]).max(axis=1)),
    ):  # fmt: skip
        for name in names:
            yield name, theirs[name], ours[name], np.expand_dims(scale, 1)
    yield "ratio", theirs["ratio"], ours["ratio"], 1.0
    yield "share_drawn", theirs["share_drawn"], ours["share_drawn"], 1.0
