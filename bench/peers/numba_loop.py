"""The loop by hand in Numba: threads over batches of paths, every array's last axis the LANES paths of a batch.

LLVM vectorises the innermost loops, all of which run over lanes, because
- their length is no constant for it (else it unrolls them before it looks for vectors),
- none writes and reads so many rows that telling them apart takes more than eight comparisons (else it gives up),
- none finds a largest number (an order that has to be kept); what was found is counted in whole numbers instead,
- exp, log and the normals of numba_math.py have neither branch nor call.
Tried, and slower: 16 lanes (twice as slow), loops that do all at once, of a constant length, NumPy's SFC64.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import numpy as np
from numba import njit

from gpustress.backends.base import Outcome
from gpustress.program import EXPONENTIAL, LOGISTIC
from gpustress.schema import CAUSES

from .draws import Draws
from .loop import TOO_MANY_UPDATES, Loop, prepare_loop
from .numba_math import INNER, OPTIONS, exponential, logarithm
from .numba_state import LANES, Figures, State, begin, copy_draws, draw, new_state, record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpustress.program import Program

PIECES_A_THREAD: Final = 4  # so that no thread waits long for the last one
CREDIT, LIQUIDITY, SOLVENCY = (float(CAUSES.index(cause)) for cause in ("credit", "liquidity", "solvency"))
SHORT: Final = 1.0 - 1e-9
RATIO_TOLERANCE: Final = 1e-12
PLAIN_UPDATES: Final = 256
RESIDUE: Final = 1e-12
INSOLVENT: Final = 1.0 - 1e-9
PAYBACK_TOLERANCE: Final = 1e-9


@njit(**INNER)
def step_factors(p: Loop, s: State, t: int) -> None:
    """Step 1, and the products of sensitivities."""
    lanes = len(s.row)
    factors = len(p.start)
    for k in range(factors):
        a, b = p.constant[k], p.persistence[k]
        for w in range(lanes):
            s.y[k, w] = a + b * s.y[k, w]
        for j in range(k + 1):
            mixing = p.mixing[k, j]
            if mixing != 0.0:
                for w in range(lanes):
                    s.y[k, w] += mixing * s.normals[t, j, w]
    for j in range(len(p.jumping)):
        k = p.jumping[j]
        for w in range(lanes):
            size = p.jump_mean[j] + p.jump_volatility[j] * s.normals[t, factors + j, w]
            s.y[k, w] += size if s.uniforms[t, j, w] < p.jump_probability[j] else 0.0
    for k in range(factors):
        shift, floor, cap = p.shift[t, k], p.floor[k], p.cap[k]
        if p.link[k] == EXPONENTIAL:
            for w in range(lanes):
                s.observed[k, w] = min(max(exponential(s.y[k, w] + shift), floor), cap)
        elif p.link[k] == LOGISTIC:
            for w in range(lanes):
                s.observed[k, w] = min(max(1.0 / (1.0 + exponential(-(s.y[k, w] + shift))), floor), cap)
        else:
            for w in range(lanes):
                s.observed[k, w] = min(max(s.y[k, w] + shift, floor), cap)
        if p.sensed[k]:
            scale = 1.0 / p.initial[k]
            for w in range(lanes):
                s.log_ratio[k, w] = logarithm(s.observed[k, w] * scale)
    for r in range(len(p.power_start) - 1):
        s.power[r] = 0.0
        for e in range(p.power_start[r], p.power_start[r + 1]):
            k, elasticity = p.power_factor[e], p.power_elasticity[e]
            for w in range(lanes):
                s.power[r, w] += elasticity * s.log_ratio[k, w]
        for w in range(lanes):
            s.power[r, w] = exponential(s.power[r, w])


@njit(**INNER)
def note_failures(
    failed_at: NDArray[np.float64], stops_at: NDArray[np.float64], cause: NDArray[np.float64], i: int,
    who: NDArray[np.float64], now: float, stops: float, why: float,
) -> None:  # fmt: skip
    """Entity i fails on the lanes that are not 0 in its row of `who`."""
    for w in range(who.shape[1]):
        hit = who[i, w] != 0.0
        failed_at[i, w] = now if hit else failed_at[i, w]
        stops_at[i, w] = stops if hit else stops_at[i, w]
        cause[i, w] = why if hit else cause[i, w]


@njit(**INNER)
def credit_events(p: Loop, s: State, t: int) -> None:
    """Step 2."""
    lanes = len(s.row)
    now, alive = float(t), float(len(p.discount))
    for i in range(len(p.cash)):
        hazard, power = p.hazard[i], p.hazard_power[i]
        if hazard > 0.0:
            for w in range(lanes):
                s.gathered[i, w] += hazard * s.power[power, w]
                hit = (s.failed_at[i, w] >= alive) & (s.gathered[i, w] >= s.limit[i, w])
                s.insolvent[i, w] = 1.0 if hit else 0.0
            note_failures(s.failed_at, s.stops_at, s.cause, i, s.insolvent, now, now, CREDIT)
    for i in range(len(p.cash) + 1):
        for w in range(lanes):
            s.going[i, w] = 1.0 if s.stops_at[i, w] > now else 0.0


@njit(**INNER)
def bill(p: Loop, s: State, t: int) -> None:
    """Step 3."""
    lanes = len(s.row)
    entities, now = len(p.cash), float(t)
    for f in p.billing_order:
        scheduled = p.scheduled[t, f]
        if scheduled == 0.0:
            s.billed[f] = 0.0
            continue
        payer, receiver, tenant = p.payer[f], p.receiver[f], p.tenant[f]
        if p.discretionary[f]:
            for w in range(lanes):
                s.billed[f, w] = scheduled * s.going[payer, w] * s.going[receiver, w] * s.going[tenant, w]
        elif payer == entities:
            s.billed[f] = scheduled
        else:
            lag, price = float(p.relet_lag[f]), p.relet_price[f]
            for w in range(lanes):
                stopped = price if now >= s.stops_at[payer, w] + lag else 0.0
                s.billed[f, w] = scheduled * (1.0 if s.going[payer, w] != 0.0 else stopped)
        power = p.flow_power[f]
        if p.power_start[power] < p.power_start[power + 1]:
            for w in range(lanes):
                s.billed[f, w] *= s.power[power, w]
        if p.floating[f] >= 0:
            index, spread = p.floating[f], p.spread[f]
            for w in range(lanes):
                s.billed[f, w] *= max(0.0, spread + s.observed[index, w])
        if p.driver[f] >= 0:
            driver = p.driver[f]
            for w in range(lanes):
                s.billed[f, w] *= s.billed[driver, w]


@njit(**INNER)
def open_settlement(p: Loop, s: State) -> None:
    """Claims, dues, and what everybody has of his own."""
    lanes = len(s.row)
    entities = len(p.cash)
    for c in range(len(p.claim_ratio)):
        s.claim[c] = 0.0
        for e in range(p.claim_flow_start[c], p.claim_flow_start[c + 1]):
            f = p.claim_flow[e]
            for w in range(lanes):
                s.claim[c, w] += s.billed[f, w]
    for i in range(entities):
        s.outside[i] = 0.0
        for e in range(p.outside_start[i], p.outside_start[i + 1]):
            f = p.outside[e]
            for w in range(lanes):
                s.outside[i, w] += s.billed[f, w]
        for w in range(lanes):
            s.outside[i, w] *= s.going[i, w]
        for c in range(p.claim_start[i], p.claim_start[i + 1]):
            for w in range(lanes):
                s.claim[c, w] *= s.going[i, w]
        for r in range(3 * i, 3 * i + 3):
            s.due[r] = 0.0
            for e in range(p.due_start[r], p.due_start[r + 1]):
                f = p.due[e]
                for w in range(lanes):
                    s.due[r, w] += s.billed[f, w]
        deposit, line_rate, line = p.deposit_rate[i], p.line_rate[i], p.credit_line[i]
        o, d = 3 * i, 3 * i + 1
        for w in range(lanes):
            s.due[d, w] += line_rate * max(-s.cash[i, w], 0.0)
        for w in range(lanes):
            s.cash[i, w] += deposit * max(s.cash[i, w], 0.0) * s.going[i, w]
            s.own[i, w] = max(0.0, s.cash[i, w] + line)
        for r in range(3 * i, 3 * i + 3):
            for w in range(lanes):
                s.due[r, w] *= s.going[i, w]
        for w in range(lanes):
            s.least[i, w] = SHORT * (s.due[o, w] + s.due[d, w])
        for r in range(3 * i, 3 * i + 3):
            for w in range(lanes):
                s.inverse[r, w] = 1.0 / s.due[r, w]
                s.ratio[r, w] = 1.0
                s.next_ratio[r, w] = 1.0
        s.short[i] = 0.0


@njit(**INNER)
def fixed_point(p: Loop, s: State) -> bool:
    """Lower the ratios until they rest; an entity whose payers' ratios have not changed stays as it is."""
    lanes, entities = len(s.row), len(p.cash)
    alpha, beta = p.default_costs
    for update in range(PLAIN_UPDATES):
        moved = False
        for i in range(entities):
            first, last = p.claim_start[i], p.claim_start[i + 1]
            touched = update == 0
            for c in range(first, last):
                touched |= s.changed[p.claim_ratio[c]]
            if not touched:
                continue
            for w in range(lanes):
                s.row[w] = s.outside[i, w]
            for c in range(first, last):
                r = p.claim_ratio[c]
                for w in range(lanes):
                    s.row[w] += s.claim[c, w] * s.ratio[r, w]
            reserve = p.reserve[i]
            for w in range(lanes):
                own, receipts = s.own[i, w], s.row[w]
                liquid = own + receipts
                short = liquid < s.least[i, w]
                s.short[i, w] = 1.0 if short else 0.0
                s.row[w] = alpha * own + beta * receipts if short else liquid
            for rank in range(3):
                r, kept_back = 3 * i + rank, reserve if rank == 1 else 0.0
                for w in range(lanes):
                    funds, due = s.row[w], s.due[r, w]
                    share = funds * s.inverse[r, w] if funds < due else 1.0
                    s.next_ratio[r, w] = min(s.ratio[r, w], share)
                    s.row[w] = max(0.0, funds - due - kept_back)
        for r in range(3 * entities):
            lower = lower_by_more = 0
            for w in range(lanes):
                fall = s.ratio[r, w] - s.next_ratio[r, w]
                lower += 1 if fall > 0.0 else 0
                lower_by_more += 1 if fall > RATIO_TOLERANCE else 0
                s.ratio[r, w] = s.next_ratio[r, w]
            s.changed[r] = lower > 0
            moved |= lower_by_more > 0
        if not moved:
            return True
    return False


@njit(**INNER)
def pay(p: Loop, s: State, t: int) -> None:
    """Payments and receipts at the ratios of the last update; who is short fails."""
    lanes, entities, now = len(s.row), len(p.cash), float(t)
    for i in range(entities):
        for w in range(lanes):
            s.row[w] = s.outside[i, w]
        for c in range(p.claim_start[i], p.claim_start[i + 1]):
            r = p.claim_ratio[c]
            for w in range(lanes):
                s.row[w] += s.claim[c, w] * s.ratio[r, w]
        line, o = p.credit_line[i], 3 * i
        for w in range(lanes):
            payments = (
                s.due[o, w] * s.ratio[o, w]
                + s.due[o + 1, w] * s.ratio[o + 1, w]
                + s.due[o + 2, w] * s.ratio[o + 2, w]
            )
            s.cash[i, w] = max(s.cash[i, w] + s.row[w] - payments, -line)
        note_failures(s.failed_at, s.stops_at, s.cause, i, s.short, now, now + 1.0, LIQUIDITY)
    for f in range(len(p.payer)):
        r = p.flow_ratio[f]
        for w in range(lanes):
            s.lines[f, w] = s.billed[f, w] * s.ratio[r, w]


@njit(**INNER)
def keep_books(p: Loop, s: State, t: int) -> None:
    """Repay loans, write capex down, and capitalise what was paid."""
    lanes = len(s.row)
    depreciation = len(p.payer)
    impairment = depreciation + len(p.capex)
    for loan in range(len(p.borrower)):
        f = p.principal_flow[loan]
        for w in range(lanes):
            s.balance[loan, w] -= s.lines[f, w]
    for c in range(len(p.capex)):
        f, life, since = p.capex[c], float(p.life[c]), max(t - p.life[c], 0)
        opening_life = 1.0 / p.opening_life[c] if t < p.opening_life[c] else 0.0
        for w in range(lanes):
            before = s.capitalised[t, c, w]
            worn = (before - s.capitalised[since, c, w]) / life + s.opening[c, w] * opening_life
            left = s.book[c, w] - worn
            left = 0.0 if left < RESIDUE * (s.opening[c, w] + before) else left
            s.lines[depreciation + c, w] = worn
            s.lines[impairment + c, w] = 0.0
            s.book[c, w] = left + s.lines[f, w]
            s.capitalised[t + 1, c, w] = before + s.lines[f, w]


@njit(**INNER)
def impair(p: Loop, s: State, t: int) -> None:
    """Impair, once, the capex whose tenant has failed."""
    lanes, alive, impairment = len(s.row), float(len(p.discount)), len(p.payer) + len(p.capex)
    for c in range(len(p.capex)):
        tenant, price = p.tenant[p.capex[c]], p.relet_price[p.capex[c]]
        if tenant == len(p.cash):
            continue
        hit = 0
        for w in range(lanes):
            kept = price if (s.failed_at[tenant, w] < alive) & (s.impaired[c, w] == 0.0) else 1.0
            s.row[w] = kept
            hit += 1 if kept != 1.0 else 0
        if hit == 0:
            continue
        for w in range(lanes):
            kept = s.row[w]
            s.lines[impairment + c, w] += s.book[c, w] * (1.0 - kept)
            s.book[c, w] *= kept
            s.opening[c, w] *= kept
            s.impaired[c, w] = 1.0 if kept != 1.0 else s.impaired[c, w]
        for before in range(t + 2):
            for w in range(lanes):
                s.capitalised[before, c, w] *= s.row[w]


@njit(**INNER)
def write_off(p: Loop, s: State, t: int) -> None:
    """Impairments and failures by solvency, in rounds until one adds no failure."""
    lanes, now, alive = len(s.row), float(t), float(len(p.discount))
    while True:
        impair(p, s, t)
        found = 0
        for i in p.triggered:
            for w in range(lanes):
                s.row[w] = max(s.cash[i, w], 0.0) + p.other_assets[i]
                s.other[w] = max(-s.cash[i, w], 0.0) + p.other_liabilities[i]
            for e in range(p.book_start[i], p.book_start[i + 1]):
                for w in range(lanes):
                    s.row[w] += s.book[p.book[e], w]
            for e in range(p.held_start[i], p.held_start[i + 1]):
                x = p.held[e]
                issuer, whole, left = p.issuer[x], p.exposure[x], p.exposure_left[x]
                for w in range(lanes):
                    s.row[w] += left if s.failed_at[issuer, w] < alive else whole
            for e in range(p.lent_start[i], p.lent_start[i + 1]):
                loan = p.lent[e]
                borrower, recovery = p.borrower[loan], p.loan_recovery[loan]
                for w in range(lanes):
                    balance = s.balance[loan, w]
                    s.row[w] += recovery * balance if s.failed_at[borrower, w] < alive else balance
            for e in range(p.borrowed_start[i], p.borrowed_start[i + 1]):
                for w in range(lanes):
                    s.other[w] += s.balance[p.borrowed[e], w]
            for w in range(lanes):
                fails = (s.failed_at[i, w] >= alive) & (s.row[w] < INSOLVENT * s.other[w])
                s.insolvent[i, w] = 1.0 if fails else 0.0
                found += 1 if fails else 0
        if found == 0:
            return
        for i in p.triggered:
            note_failures(s.failed_at, s.stops_at, s.cause, i, s.insolvent, now, now + 1.0, SOLVENCY)


@njit(**INNER)
def measure(p: Loop, s: State, t: int) -> None:
    """Step 6: the lines that add and those that take away are summed apart, so that their sum is the gross."""
    lanes = len(s.row)
    discount, later = p.discount[t], float(t + 1)
    for m in range(len(s.total)):
        for w in range(lanes):
            s.row[w] = s.other[w] = 0.0
        for e in range(p.measure_start[2 * m], p.measure_start[2 * m + 1]):
            line, weight = p.measure_line[e], p.measure_weight[e]
            for w in range(lanes):
                s.row[w] += weight * s.lines[line, w]
        for e in range(p.measure_start[2 * m + 1], p.measure_start[2 * m + 2]):
            line, weight = p.measure_line[e], p.measure_weight[e]
            for w in range(lanes):
                s.other[w] += weight * s.lines[line, w]
        for w in range(lanes):
            s.total[m, w] += s.row[w] - s.other[w]
            s.gross[m, w] += s.row[w] + s.other[w]
        for w in range(lanes):
            s.npv[m, w] += (s.row[w] - s.other[w]) * discount
            s.trough[m, w] = min(s.trough[m, w], s.total[m, w])
        for w in range(lanes):
            negative = s.total[m, w] < -PAYBACK_TOLERANCE * s.gross[m, w]
            s.payback[m, w] = later if negative else s.payback[m, w]


@njit(**INNER)
def close_period(p: Loop, s: State) -> None:
    """The failed lose their cash; liquidity is noted."""
    lanes = len(s.row)
    alive = float(len(p.discount))
    for i in range(len(p.cash)):
        line = p.credit_line[i]
        for w in range(lanes):
            failed = s.failed_at[i, w] < alive
            cash = 0.0 if failed else s.cash[i, w]
            s.cash[i, w] = cash
            s.lowest[i, w] = min(s.lowest[i, w], 0.0 if failed else cash + line)


@njit(**INNER)
def simulate_batch(p: Loop, s: State) -> bool:
    """All periods; False where a settlement does not come to rest."""
    begin(p, s)
    for t in range(len(p.discount)):
        step_factors(p, s, t)
        credit_events(p, s, t)
        bill(p, s, t)
        open_settlement(p, s)
        if not fixed_point(p, s):
            return False
        pay(p, s, t)
        keep_books(p, s, t)
        write_off(p, s, t)
        measure(p, s, t)
        close_period(p, s)
    return True


@njit(**OPTIONS)
def simulate_batches(p: Loop, seed: int, draws: Draws, out: Figures, first: int, last: int) -> bool:
    """Simulate batches first to last - 1, on `draws` where they hold any; False where one did not come to rest."""
    s = new_state(p)
    for batch in range(first, last):
        if len(draws.normals) > 0:
            copy_draws(p, s, draws, batch * LANES)
        else:
            draw(p, s, seed, batch)
        if not simulate_batch(p, s):
            return False
        record(s, out, batch * LANES)
    return True


class NumbaPeer:
    """The loop in Numba, on threads that each take a part of the batches.

    Threads of Python's run functions that release the interpreter's lock: `prange` around the same call takes four
    times as long to compile.
    """

    name = "numba"

    def __init__(self, program: Program, threads: int):
        self.threads = threads
        self._program, self._loop = program, prepare_loop(program)
        self._pool = ThreadPoolExecutor(threads)

    def run(self, paths: int, seed: int) -> Outcome:
        """Simulate so many paths on draws of its own."""
        return self._simulate(paths, seed, Draws.none())

    def replay(self, draws: Draws) -> Outcome:
        """Simulate the paths of the given draws."""
        return self._simulate(len(draws.normals), 0, draws)

    def _simulate(self, paths: int, seed: int, draws: Draws) -> Outcome:
        outcome = Outcome.empty(self._program, paths, 0)
        figures = Figures(*(getattr(outcome, name)[0] for name in Figures._fields))
        batches = -(-paths // LANES)
        pieces = min(batches, PIECES_A_THREAD * self.threads)
        ends = [piece * batches // pieces for piece in range(pieces + 1)]

        def part(first: int, last: int) -> bool:
            return bool(simulate_batches(self._loop, seed, draws, figures, first, last))

        if not all(self._pool.map(part, ends[:-1], ends[1:])):
            raise NotImplementedError(TOO_MANY_UPDATES)
        return outcome
