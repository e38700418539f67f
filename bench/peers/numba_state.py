"""What the loop in Numba keeps of a batch of paths, how it begins, and what is recorded of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numba import njit

from .draws import Draws
from .loop import Loop
from .numba_math import INNER, advance, logarithm, polar, splitmix, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANES: Final = 64
NEVER: Final = 2.0**30


class Figures(NamedTuple):
    """What is kept of P paths: arrays (P, N) and (P, M) of an Outcome, by its names."""

    failed_at: NDArray[np.int16]
    cause: NDArray[np.int8]
    lowest_liquidity: NDArray[np.float64]
    final_cash: NDArray[np.float64]
    total: NDArray[np.float64]
    npv: NDArray[np.float64]
    trough: NDArray[np.float64]
    payback: NDArray[np.int16]


class State(NamedTuple):
    """A batch while its periods are simulated; the last axis is LANES long everywhere but in `changed`."""

    normals: Any
    uniforms: Any
    limit: Any
    generators: Any
    words: Any
    more_words: Any
    y: Any
    observed: Any
    log_ratio: Any
    power: Any
    gathered: Any
    failed_at: Any
    cause: Any
    stops_at: Any
    going: Any
    cash: Any
    lowest: Any
    billed: Any
    claim: Any
    outside: Any
    own: Any
    due: Any
    inverse: Any
    least: Any
    ratio: Any
    next_ratio: Any
    short: Any
    lines: Any
    balance: Any
    book: Any
    opening: Any
    impaired: Any
    capitalised: Any
    insolvent: Any
    total: Any
    npv: Any
    trough: Any
    payback: Any
    gross: Any
    row: Any
    other: Any
    changed: Any


@njit(**INNER)
def new_state(p: Loop) -> State:
    """Memory of one thread, in the order of State."""
    periods, entities, factors, jumping = len(p.discount), len(p.cash), len(p.link), len(p.jumping)
    flows, capex, loans, claims = len(p.payer), len(p.capex), len(p.borrower), len(p.claim_ratio)
    powers, measures = len(p.power_start) - 1, (len(p.measure_start) - 1) // 2
    by_factor, by_entity = (factors, LANES), (entities, LANES)
    by_rank, by_capex, by_measure = (3 * entities, LANES), (capex, LANES), (measures, LANES)
    return State(
        # normals (two at a time), uniforms, limit, generators, words, more_words
        np.empty((periods, (factors + jumping + 1) // 2 * 2, LANES)), np.empty((periods, jumping, LANES)),
        np.empty(by_entity), np.empty((4, LANES), np.uint64), np.empty(LANES, np.uint64), np.empty(LANES, np.uint64),
        # y, observed, log_ratio, power
        np.empty(by_factor), np.empty(by_factor), np.empty(by_factor), np.empty((powers, LANES)),
        # gathered, failed_at, cause, stops_at, going, cash, lowest
        np.empty(by_entity), np.empty(by_entity), np.empty(by_entity), np.empty((entities + 1, LANES)),
        np.empty((entities + 1, LANES)), np.empty(by_entity), np.empty(by_entity),
        # billed, claim, outside, own, due, inverse, least, ratio, next_ratio, short
        np.empty((flows, LANES)), np.empty((claims, LANES)), np.empty(by_entity), np.empty(by_entity),
        np.empty(by_rank), np.empty(by_rank), np.empty(by_entity), np.empty((3 * entities + 1, LANES)),
        np.empty(by_rank), np.empty(by_entity),
        # lines, balance, book, opening, impaired, capitalised, insolvent
        np.empty((flows + 2 * capex, LANES)), np.empty((loans, LANES)), np.empty(by_capex), np.empty(by_capex),
        np.empty(by_capex), np.empty((periods + 1, capex, LANES)), np.empty(by_entity),
        # total, npv, trough, payback, gross
        np.empty(by_measure), np.empty(by_measure), np.empty(by_measure), np.empty(by_measure), np.empty(by_measure),
        # row, other, changed
        np.empty(LANES), np.empty(LANES), np.empty(3 * entities + 1, np.bool_),
    )  # fmt: skip


@njit(**INNER)
def begin(p: Loop, s: State) -> None:
    """Set the state to that before period 0."""
    lanes = len(s.row)
    s.gathered[:] = 0.0
    s.cause[:] = 0.0
    s.failed_at[:] = float(len(p.discount))
    s.stops_at[:] = NEVER
    s.lowest[:] = np.inf
    s.ratio[:] = 1.0
    s.capitalised[0] = 0.0
    s.impaired[:] = 0.0
    for m in range(len(s.total)):
        for w in range(lanes):
            s.total[m, w] = s.npv[m, w] = s.gross[m, w] = s.payback[m, w] = 0.0
            s.trough[m, w] = np.inf
    for k in range(len(p.start)):
        for w in range(lanes):
            s.y[k, w] = p.start[k]
    for i in range(len(p.cash)):
        for w in range(lanes):
            s.cash[i, w] = p.cash[i]
    for c in range(len(p.capex)):
        for w in range(lanes):
            s.book[c, w] = s.opening[c, w] = p.opening_book[c]
    for loan in range(len(p.borrower)):
        for w in range(lanes):
            s.balance[loan, w] = p.opening_balance[loan]


@njit(**INNER)
def draw(p: Loop, s: State, seed: int, batch: int) -> None:
    """Draws of a batch, from generators of its own."""
    lanes = len(s.row)
    for w in range(lanes):
        for i in range(4):
            s.generators[i, w] = splitmix(np.uint64(seed) + np.uint64((batch * LANES + w) * 4 + i + 1))
    periods, pairs, _ = s.normals.shape
    for t in range(periods):
        for k in range(0, pairs, 2):
            advance(s.generators, s.words)
            advance(s.generators, s.more_words)
            for w in range(lanes):
                s.normals[t, k, w], s.normals[t, k + 1, w] = polar(s.words[w], s.more_words[w])
        for j in range(s.uniforms.shape[1]):
            advance(s.generators, s.words)
            for w in range(lanes):
                s.uniforms[t, j, w] = uniform(s.words[w])
    for i in range(len(p.cash)):
        advance(s.generators, s.words)
        for w in range(lanes):
            s.limit[i, w] = -logarithm(uniform(s.words[w]))


@njit(**INNER)
def copy_draws(p: Loop, s: State, draws: Draws, first: int) -> None:
    """Draws of one's own, of fewer than LANES paths at the end: the last path again."""
    normals, sizes, uniforms, limits = draws.normals, draws.jump_sizes, draws.jump_uniforms, draws.limits
    paths, periods, factors = normals.shape
    for w in range(LANES):
        path = min(first + w, paths - 1)
        for t in range(periods):
            for k in range(factors):
                s.normals[t, k, w] = normals[path, t, k]
            for j in range(len(p.jumping)):
                s.normals[t, factors + j, w] = sizes[path, t, p.jumping[j]]
                s.uniforms[t, j, w] = uniforms[path, t, p.jumping[j]]
        for i in range(len(p.cash)):
            s.limit[i, w] = limits[path, i]


@njit(**INNER)
def record(s: State, out: Figures, first: int) -> None:
    """Step 7: everything that is kept of a batch; what goes beyond the last path is left out."""
    for w in range(min(LANES, len(out.final_cash) - first)):
        path = first + w
        for i in range(out.final_cash.shape[1]):
            out.failed_at[path, i] = s.failed_at[i, w]
            out.cause[path, i] = s.cause[i, w]
            out.lowest_liquidity[path, i] = s.lowest[i, w]
            out.final_cash[path, i] = s.cash[i, w]
        for m in range(out.total.shape[1]):
            out.total[path, m] = s.total[m, w]
            out.npv[path, m] = s.npv[m, w]
            out.trough[path, m] = s.trough[m, w]
            out.payback[path, m] = s.payback[m, w]
