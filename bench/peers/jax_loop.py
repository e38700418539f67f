"""The loop by hand in JAX: batches of paths as the last axis, a scan over periods, a while loop for each fixed point.

Everything that no path changes is a constant of the compiled program. Tried, and slower on a CPU: sums of sparse rows
by segment_sum, as products with dense matrices (kept for the measures, whose rows are long), as padded gathers, and
written out entity by entity; the ratios of all ranks in one array; batches of 64, 256, 512 and 1024 paths; the
generators of jax.random, of which the quickest takes more than twice as long as NumPy's SFC64.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gpustress.backends.base import Outcome
from gpustress.program import EXPONENTIAL, LOGISTIC
from gpustress.schema import CAUSES, RANKS

from .loop import TOO_MANY_UPDATES, Loop, prepare_loop

if TYPE_CHECKING:
    from jax import Array
    from numpy.typing import NDArray

    from gpustress.program import Program

    from .draws import Draws

jax.config.update("jax_enable_x64", True)

CREDIT, LIQUIDITY, SOLVENCY = (CAUSES.index(cause) for cause in ("credit", "liquidity", "solvency"))
NEVER: Final = 2**30
BATCH: Final = 128
PLAIN_UPDATES: Final = 256

Values = dict[str, Any]


class Periods:
    """The functions of one loop, for batches of any number of paths."""

    def __init__(self, loop: Loop):
        self.p = loop
        self.claim_receiver = _row_of(loop.claim_start)
        ranks, entities = len(RANKS), loop.entities
        self.claims_of_rank = []
        self.dues_of_rank = []
        for rank in range(ranks):
            place = np.flatnonzero(loop.claim_ratio % ranks == rank)
            start = np.searchsorted(self.claim_receiver[place], np.arange(entities + 1))
            self.claims_of_rank.append((start, place, loop.claim_ratio[place] // ranks))
            due_row = _row_of(loop.due_start)
            of_rank = due_row % ranks == rank
            start = np.searchsorted(due_row[of_rank] // ranks, np.arange(entities + 1))
            self.dues_of_rank.append((start, loop.due[of_rank]))
        outside = loop.flow_ratio == ranks * entities
        by_rank = loop.flow_ratio % ranks * entities + loop.flow_ratio // ranks
        self.flow_ratio = np.where(outside, ranks * entities, by_rank)
        weights = np.zeros((2 * loop.measures, len(loop.payer) + 2 * len(loop.capex)))
        np.add.at(weights, (_row_of(loop.measure_start), loop.measure_line), loop.measure_weight)
        self.measure_weights = weights
        exponents = np.zeros((len(loop.power_start) - 1, len(loop.link)))
        exponents[_row_of(loop.power_start), loop.power_factor] = loop.power_elasticity
        self.exponents = exponents

    def simulate(self, normals: Array, uniforms: Array, limits: Array) -> Values:
        """All periods of a batch.

        Parameters
        ----------
        normals : Array (T, K + J, P)
            Of the factors, then of the sizes of their jumps.
        uniforms : Array (T, J, P)
        limits : Array (N, P)
        """
        p, paths = self.p, limits.shape[1]

        def of(values: NDArray[np.float64]) -> Array:
            return jnp.broadcast_to(jnp.asarray(values)[:, None], (len(values), paths))

        entities, measures, capex = (p.entities, paths), (p.measures, paths), (len(p.capex), paths)
        state: Values = {
            "y": of(p.start),
            "gathered": jnp.zeros(entities),
            "failed_at": jnp.full(entities, p.periods, dtype=jnp.int32),
            "cause": jnp.zeros(entities, dtype=jnp.int32),
            "stops_at": jnp.full((p.entities + 1, paths), NEVER, dtype=jnp.int32),
            "final_cash": of(p.cash),
            "lowest_liquidity": jnp.full(entities, jnp.inf),
            "balance": of(p.opening_balance),
            "book": of(p.opening_book),
            "opening": of(p.opening_book),
            "impaired": jnp.zeros(capex, dtype=bool),
            "capitalised": jnp.zeros((p.periods + 1, *capex)),
            "total": jnp.zeros(measures),
            "npv": jnp.zeros(measures),
            "trough": jnp.full(measures, jnp.inf),
            "payback": jnp.zeros(measures, dtype=jnp.int32),
            "gross": jnp.zeros(measures),
            "updates": jnp.zeros((), dtype=jnp.int32),
        }
        shocks = jnp.einsum("kj,tjp->tkp", p.mixing, normals[:, : len(p.link)])
        sizes = p.jump_mean[:, None] + p.jump_volatility[:, None] * normals[:, len(p.link) :]
        jumps = jnp.where(uniforms < p.jump_probability[:, None], sizes, 0.0)
        moves = shocks.at[:, p.jumping].add(jumps)

        def period(state: Values, now: tuple[Array, ...]) -> tuple[Values, None]:
            return self.period(state, limits, *now), None

        along = (jnp.arange(p.periods, dtype=jnp.int32), moves, p.shift, p.scheduled, p.discount)
        state, _ = lax.scan(period, state, along)
        kept = (
            "failed_at", "cause", "lowest_liquidity", "final_cash", "total", "npv", "trough", "payback", "updates",
        )  # fmt: skip
        return {name: state[name] for name in kept}

    def period(
        self,
        state: Values,
        limits: Array,
        t: Array,
        move: Array,
        shift: Array,
        scheduled: Array,
        discount: Array,
    ) -> Values:
        """Steps 1 to 7 of one period."""
        p = self.p
        y = p.constant[:, None] + p.persistence[:, None] * state["y"] + move
        observed, powers = self.observe(y + shift[:, None])

        gathered = state["gathered"] + p.hazard[:, None] * powers[p.hazard_power]
        hit = (state["failed_at"] == p.periods) & (p.hazard > 0.0)[:, None] & (gathered >= limits)
        failed_at, cause, stops_at = _fail(state, hit, t, t, CREDIT)

        billed = self.bill(t, stops_at, observed, powers, scheduled)
        cash, ratio, short, updates = self.settle(state["final_cash"], stops_at[:-1] > t, billed)
        failures = {"failed_at": failed_at, "cause": cause, "stops_at": stops_at}
        failed_at, cause, stops_at = _fail(failures, short, t, t + 1, LIQUIDITY)
        paid = billed * ratio[self.flow_ratio]

        failures = {"failed_at": failed_at, "cause": cause, "stops_at": stops_at}
        books, failures, written = self.keep_books(t, state | failures, cash, paid)
        figures = self.measure(t, state, jnp.concatenate([paid, *written]), discount)

        failed = failures["failed_at"] < p.periods
        cash = jnp.where(failed, 0.0, cash)
        liquidity = jnp.where(failed, 0.0, cash + p.credit_line[:, None])
        return state | books | failures | figures | {
            "y": y,
            "gathered": gathered,
            "final_cash": cash,
            "lowest_liquidity": jnp.minimum(state["lowest_liquidity"], liquidity),
            "updates": jnp.maximum(state["updates"], updates),
        }  # fmt: skip

    def observe(self, shifted: Array) -> tuple[Array, Array]:
        """X (K, P) and the distinct products of sensitivities (R, P)."""
        p = self.p
        rows = [
            jnp.exp(row) if link == EXPONENTIAL else 1.0 / (1.0 + jnp.exp(-row)) if link == LOGISTIC else row
            for link, row in zip(p.link, shifted, strict=True)
        ]
        observed = jnp.clip(jnp.stack(rows), p.floor[:, None], p.cap[:, None])
        ratio = jnp.where(p.sensed[:, None], observed / p.initial[:, None], 1.0)
        return observed, jnp.exp(self.exponents @ jnp.log(ratio))

    def bill(self, t: Array, stops_at: Array, observed: Array, powers: Array, scheduled: Array) -> Array:
        """What every flow should pay, shape (F, P)."""
        p = self.p
        stopped = stops_at <= t
        payer_stop = stops_at[p.payer]
        relet = jnp.where(t >= payer_stop + p.relet_lag[:, None], p.relet_price[:, None], 0.0)
        left = jnp.where(payer_stop <= t, relet, 1.0)
        some = np.flatnonzero(p.discretionary)
        ended = stopped[p.payer[some]] | stopped[p.receiver[some]] | stopped[p.tenant[some]]
        left = left.at[some].set(jnp.where(ended, 0.0, 1.0), unique_indices=True, indices_are_sorted=True)
        billed = scheduled[:, None] * left
        sensed = np.flatnonzero(np.diff(p.power_start)[p.flow_power])
        billed = billed.at[sensed].multiply(
            powers[p.flow_power[sensed]], unique_indices=True, indices_are_sorted=True
        )
        floating = np.flatnonzero(p.floating >= 0)
        rate = jnp.maximum(0.0, p.spread[floating, None] + observed[p.floating[floating]])
        billed = billed.at[floating].multiply(rate, unique_indices=True, indices_are_sorted=True)
        done = p.driver < 0
        while not done.all():  # one round for each depth of drivers
            ready = np.flatnonzero(~done & done[p.driver])
            billed = billed.at[ready].multiply(
                billed[p.driver[ready]], unique_indices=True, indices_are_sorted=True
            )
            done = done.copy()
            done[ready] = True
        return billed

    def settle(self, cash: Array, going: Array, billed: Array) -> tuple[Array, Array, Array, Array]:
        """Cash after settlement, ratios by rank and entity (3 N + 1, P), who is short (N, P), and how many updates."""
        p = self.p
        alpha, beta = p.default_costs
        claim = _sums(p.claim_flow_start, p.claim_flow, billed) * going[self.claim_receiver]
        outside = _sums(p.outside_start, p.outside, billed) * going
        operating, debt, discretionary = (_sums(*rows, billed) for rows in self.dues_of_rank)
        debt = debt + p.line_rate[:, None] * jnp.maximum(-cash, 0.0)
        due = operating, debt, discretionary = operating * going, debt * going, discretionary * going
        senior = operating + debt
        inverse = [1.0 / owed for owed in due]
        cash = cash + p.deposit_rate[:, None] * jnp.maximum(cash, 0.0) * going
        own = jnp.maximum(0.0, cash + p.credit_line[:, None])

        def received(ratios: tuple[Array, ...]) -> Array:
            return outside + sum(
                _sums(start, np.arange(len(place)), claim[place] * ratio[payer])
                for ratio, (start, place, payer) in zip(ratios, self.claims_of_rank, strict=True)
            )

        def share(funds: Array, rank: int) -> Array:
            return jnp.where(funds < due[rank], funds * inverse[rank], 1.0)

        def update(carry: tuple[Any, ...]) -> tuple[Any, ...]:
            ratios, _, _, updates = carry
            receipts = received(ratios)
            liquid = own + receipts
            short = liquid < (1.0 - 1e-9) * senior
            funds = jnp.where(short, alpha * own + beta * receipts, liquid)
            left = jnp.maximum(0.0, funds - operating)
            last = jnp.maximum(0.0, left - debt - p.reserve[:, None])
            lower = tuple(
                jnp.minimum(now, share(available, rank))
                for rank, (now, available) in enumerate(zip(ratios, (funds, left, last), strict=True))
            )
            falls = [now - then for now, then in zip(ratios, lower, strict=True)]
            moves = jnp.max(jnp.maximum(jnp.maximum(falls[0], falls[1]), falls[2])) > 1e-12
            return lower, short, moves, updates + 1

        one = jnp.ones(cash.shape)
        start = ((one, one, one), jnp.zeros(cash.shape, dtype=bool), jnp.array(True), jnp.int32(0))
        ratios, short, _, updates = lax.while_loop(
            lambda carry: carry[2] & (carry[3] <= PLAIN_UPDATES), update, start
        )
        payments = sum(owed * ratio for owed, ratio in zip(due, ratios, strict=True))
        settled = jnp.maximum(cash + received(ratios) - payments, -p.credit_line[:, None])
        ratio = jnp.concatenate([*ratios, one[:1]])
        return settled, ratio, short, updates

    def keep_books(
        self, t: Array, state: Values, cash: Array, paid: Array
    ) -> tuple[Values, Values, tuple[Array, Array]]:
        """Balances and books, failures, and what was written down and off (C, P)."""
        p = self.p
        balance = state["balance"] - paid[p.principal_flow]
        capitalised, opening = state["capitalised"], state["opening"]
        before = capitalised[t]
        since = capitalised[jnp.maximum(t - p.life, 0), np.arange(len(p.capex))]
        worn = (before - since) / p.life[:, None]
        worn += jnp.where((t < p.opening_life)[:, None], opening / p.opening_life[:, None], 0.0)
        left = state["book"] - worn
        book = jnp.where(left < 1e-12 * (opening + before), 0.0, left) + paid[p.capex]
        capitalised = capitalised.at[t + 1].set(before + paid[p.capex])

        tenant, price = p.tenant[p.capex], p.relet_price[p.capex][:, None]
        rented = (tenant < p.entities)[:, None]
        who, issuer_rows = p.triggered, p.issuer[p.held]
        own = jnp.maximum(cash, 0.0)[who] + p.other_assets[who, None]
        liabilities = jnp.maximum(-cash, 0.0) + p.other_liabilities[:, None]
        liabilities = (liabilities + _sums(p.borrowed_start, p.borrowed, balance))[who]

        def write_off(carry: Values) -> Values:
            failed = carry["failed_at"] < p.periods
            hit = failed[np.minimum(tenant, p.entities - 1)] & rented & ~carry["impaired"]
            kept = jnp.where(hit, price, 1.0)
            loans = jnp.where(failed[p.borrower], p.loan_recovery[:, None], 1.0) * balance
            held = jnp.where(failed[issuer_rows], p.exposure_left[p.held, None], p.exposure[p.held, None])
            claims = _sums(p.book_start, p.book, carry["book"] * kept) + _sums(p.lent_start, p.lent, loans)
            claims += _sums(p.held_start, np.arange(len(p.held)), held)
            fails = ~failed[who] & (own + claims[who] < (1.0 - 1e-9) * liabilities)
            hit_now = jnp.zeros_like(failed).at[who].set(fails, unique_indices=True, indices_are_sorted=True)
            failed_at, cause, stops_at = _fail(carry, hit_now, t, t + 1, SOLVENCY)
            return {
                "failed_at": failed_at,
                "cause": cause,
                "stops_at": stops_at,
                "book": carry["book"] * kept,
                "impaired": carry["impaired"] | hit,
                "impairment": carry["impairment"] + carry["book"] * (1.0 - kept),
                "kept": carry["kept"] * kept,
                "more": fails.any(),
            }

        carry = {name: state[name] for name in ("failed_at", "cause", "stops_at", "impaired")}
        carry |= {
            "book": book,
            "impairment": jnp.zeros_like(book),
            "kept": jnp.ones_like(book),
            "more": jnp.array(True),
        }
        carry = lax.while_loop(lambda carry: carry["more"], write_off, carry)
        kept = carry["kept"]
        capitalised = lax.cond((kept < 1.0).any(), lambda: capitalised * kept, lambda: capitalised)
        books = {
            "balance": balance,
            "book": carry["book"],
            "opening": opening * kept,
            "impaired": carry["impaired"],
            "capitalised": capitalised,
        }
        failures = {name: carry[name] for name in ("failed_at", "cause", "stops_at")}
        return books, failures, (worn, carry["impairment"])

    def measure(self, t: Array, state: Values, lines: Array, discount: Array) -> Values:
        """The figures of every measure (M, P)."""
        parts = (self.measure_weights @ lines).reshape(self.p.measures, 2, -1)
        value = parts[:, 0] - parts[:, 1]
        gross, total = state["gross"] + parts[:, 0] + parts[:, 1], state["total"] + value
        return {
            "gross": gross,
            "total": total,
            "npv": state["npv"] + value * discount,
            "trough": jnp.minimum(state["trough"], total),
            "payback": jnp.where(total < -1e-9 * gross, t + 1, state["payback"]),
        }


class JaxPeer:
    """The loop in JAX, on threads that take batches in turn and make their draws with NumPy."""

    name = "jax"

    def __init__(self, program: Program, threads: int):
        self.threads = threads
        self._program, self._loop = program, prepare_loop(program)
        self._batch = jax.jit(Periods(self._loop).simulate)
        self._pool = ThreadPoolExecutor(threads)

    def run(self, paths: int, seed: int) -> Outcome:
        """Simulate so many paths on draws of its own."""
        p = self._loop
        rows = len(p.link) + len(p.jumping)

        def draws_of(first: int) -> tuple[NDArray[np.float64], ...]:
            generator = np.random.Generator(np.random.SFC64([seed, first]))
            return (
                generator.standard_normal((p.periods, rows, BATCH)),
                generator.random((p.periods, len(p.jumping), BATCH)),
                generator.standard_exponential((p.entities, BATCH)),
            )

        return self._simulate(paths, draws_of)

    def replay(self, draws: Draws) -> Outcome:
        """Simulate the paths of the given draws."""
        jumping, paths = self._loop.jumping, len(draws.normals)
        normals = np.concatenate([draws.normals, draws.jump_sizes[:, :, jumping]], axis=2)

        def draws_of(first: int) -> tuple[NDArray[np.float64], ...]:
            batch = np.minimum(np.arange(first, first + BATCH), paths - 1)
            given = normals, draws.jump_uniforms[:, :, jumping], draws.limits
            return tuple(np.moveaxis(one[batch], 0, -1) for one in given)

        return self._simulate(paths, draws_of)

    def _simulate(self, paths: int, draws_of: Callable[[int], tuple[NDArray[np.float64], ...]]) -> Outcome:
        outcome = Outcome.empty(self._program, paths, 0)

        def batch(first: int) -> None:
            figures = self._batch(*draws_of(first))
            if int(figures.pop("updates")) > PLAIN_UPDATES:
                raise NotImplementedError(TOO_MANY_UPDATES)
            for name, values in figures.items():
                getattr(outcome, name)[0, first : first + BATCH] = np.asarray(values).T[: paths - first]

        list(self._pool.map(batch, range(0, paths, BATCH)))
        return outcome


def _row_of(start: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(start) - 1), np.diff(start))


def _sums(start: NDArray[np.int64], column: NDArray[np.int64], values: Array) -> Array:
    """Sums of sparse rows, shape (rows, P)."""
    lengths = np.diff(start)
    longest_first = np.argsort(-lengths, kind="stable")
    sums = jnp.zeros((len(lengths), values.shape[1]))
    for depth in range(lengths.max(initial=0)):
        rows = longest_first[lengths[longest_first] > depth]
        layer = values[column[start[rows] + depth]]
        sums = layer if len(rows) == len(lengths) and depth == 0 else sums.at[: len(rows)].add(layer)
    return sums[np.argsort(longest_first)]


def _fail(state: Values, who: Array, t: Array, stops_at: Array, cause: int) -> tuple[Array, Array, Array]:
    stops = state["stops_at"]
    return (
        jnp.where(who, t, state["failed_at"]),
        jnp.where(who, cause, state["cause"]),
        stops.at[:-1].set(jnp.where(who, stops_at, stops[:-1])),
    )
