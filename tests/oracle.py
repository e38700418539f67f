"""A second, scalar reading of section 2 of the design: one path of one scenario at a time.

Written from the text alone, without a look at the package, so that the two can disagree. Loops and dicts
throughout; arrays only inside the fixed point of step 4. Nothing here is fast, nothing here checks its input.

Where the text leaves two readings, this is the one taken:

Factors
  R1   A jump adds to y itself, so it is carried on (and reverts) like any shock.
  R2   `correlation.stress` moves every off-diagonal entry, also pairs that the table does not name (c = 0),
       which is what keeps the matrix positive semi-definite. Its own rows start from s = 0.
  R3   A null `mean` is `initial` before a scenario scales it or adds to it.
  R4   Clip is min(max(x, floor), cap): the cap wins where the two cross.
  R5   Paths of one's own are clipped and take `value` rows; factors without a column are drawn as ever.
Credit events
  R6   Of several `fail_at` rows the last one holds; it does nothing to an entity that has already failed.
  R7   An entity that a credit (or imposed) event hits gets and owes no interest on its cash or line then.
Billing
  R8   A driven flow still has growth, start and end; only D is left out. A schedule row replaces all of A(t).
  R9   Loan flows may be drivers (their billed amount). A loan's principal is never scaled, so it does not
       count as hit when a row for a kind leaves out what is driven by what it hits.
  R10  A tenant ends only the discretionary flows that name it.
  R11  Share drawn = what the draw paid over the principal (in `first_round` and `none`: what it billed), with
       the scenario's scale of the draw in it, so it can be above 1.
  R12  n = max(1, round(years * periods_per_year)), halves to even; likewise for `life` and `opening_life`.
  R13  An annuity at rate 0 is linear. A loan's schedule never looks at what was really paid.
  R14  A stopped lender's interest and principal go to outside; a stopped borrower's flows are 0.
Settlement
  R15  Payments and receipts both use the ratios that the last update gave (so money is conserved); who is
       short is judged on the receipts that went into that update.
  R16  What still moves after 256 updates goes on by plain updates to rest, up to PATIENCE of them; only then
       is it finished by linear solves, as the design says.
  R17  In `full`, a stopped entity's ratios are 1 (nothing is due). In `first_round` they are 0 in each rank
       in which something was billed to it, so that paid = billed * ratio.
  R18  `none` charges interest on the line below the line too; its ratios are 1 and its estate is 0.
Books
  R19  What is paid under a capex flow is capitalised in it whoever pays, so also what outside pays once it is
       re-let.
  R20  Entities that become insolvent in one round of write-offs fail together; the next round sees them all.
  R21  Credit and imposed failures of a period count as failed in its step 5 (impairment, write-offs).
  R27  Cash and balances that are 0 but for rounding are 0: cash within 1e-12 of what the entity had (or owed) and
       received, or 2^-48 of its line; a balance within 1e-12 of the principal.
Measures and record
  R22  `estate` is the sum of the cash (after settlement, before it is set to 0) of who failed in the period;
       default costs are in it, because cash is booked after payments out of the reduced funds. What
       `first_round` pays to a stopped entity is not in it.
  R23  Lowest liquidity of a failed entity is the least of its earlier figures and 0.
  R24  In sum |weight * paid|, each line of a measure counts by itself (a flow named twice: twice).
Scenarios and positions
  R25  A scenario's own `effects` wins over the argument.
  R26  A linear position falls due in equal parts up to its maturity, and loses its balance at the opening of
       the period in which the entity fails: exposure * (1 - t D / maturity). Without maturity it stays whole.
"""

from __future__ import annotations

import functools
import hashlib
import math

import numpy as np
from scipy.special import ndtri

RANKS = ("operating", "debt", "discretionary")
RANK_OF_KIND = {
    **dict.fromkeys(("revenue", "fee", "opex", "power", "tax", "rent"), "operating"),
    **dict.fromkeys(("interest", "principal"), "debt"),
    **dict.fromkeys(("capex", "funding", "dividend"), "discretionary"),
}
TOLERANCE = 1e-9
AT_REST = 1e-12
PLAIN_UPDATES = 256
PATIENCE = 3_000

DEFAULTS = {
    "entities": {
        "role": "",
        "credit_line": 0.0,
        "reserve": 0.0,
        "cash_rate": 0.0,
        "line_rate": 0.0,
        "other_assets": 0.0,
        "other_debt": 0.0,
        "hazard": 0.0,
        "solvency_trigger": False,
        "fail_at": None,  # a scenario's
    },
    "factors": {
        "initial": 1.0,
        "drift": 0.0,
        "volatility": 0.0,
        "mean": None,
        "reversion": None,
        "jump_rate": 0.0,
        "jump_mean": 0.0,
        "jump_volatility": 0.0,
        "floor": None,
        "cap": None,
    },
    "correlations": {},
    "flows": {
        "payer": None,
        "receiver": None,
        "rank": None,
        "growth": 0.0,
        "start": 0,
        "end": None,
        "index": None,
        "spread": 0.0,
        "driver": None,
        "relet_lag": 0,
        "relet_price": 0.0,
        "life": None,
        "opening_book": 0.0,
        "opening_life": None,
        "tenant": None,
    },
    "schedules": {},
    "sensitivities": {},
    "loans": {
        "lender": None,
        "rate": None,
        "index": None,
        "spread": 0.0,
        "draw": None,
        "amortisation": "bullet",
        "recovery": 0.0,
    },
    "exposures": {"recovery": 0.0, "kind": ""},
    "measures": {"weight": 1.0},
    "positions": {"maturity": None, "amortisation": "bullet", "recovery": 0.0},
    "scenarios": {"parameter": None, "start": None, "end": None, "effects": None},
}


def complete(table: str, rows: list[dict] | None) -> list[dict]:
    """The rows of a table with its defaults filled in (a null takes the default too)."""
    return [DEFAULTS[table] | {k: v for k, v in row.items() if v is not None} for row in rows or ()]


def by_name(table: str, tables: dict) -> dict[str, dict]:
    return {row["name"]: row for row in complete(table, tables.get(table))}


def rounded_periods(years: float, periods_per_year: float) -> int:
    return max(1, round(years * periods_per_year))


# ------------------------------------------------------------------------- draws (section 4)


@functools.lru_cache(maxsize=100_000)
def words(seed: int, name: str, path: int, block: int, stream: int) -> tuple[int, ...]:
    identity = int.from_bytes(hashlib.blake2b(name.encode("utf-8"), digest_size=8).digest(), "little")
    generator = np.random.Philox(
        key=np.array([seed, identity], dtype=np.uint64),
        counter=np.array([path, block, stream, 0], dtype=np.uint64),
    )
    return tuple(int(word) for word in generator.random_raw(4))


def uniform(word: int) -> float:
    return ((word >> 12) + 0.5) * 2.0**-52


def factor_normal(seed: int, name: str, path: int, t: int) -> float:
    return float(ndtri(uniform(words(seed, name, path, t // 4, 0)[t % 4])))


def credit_threshold(seed: int, name: str, path: int) -> float:
    return -math.log(uniform(words(seed, name, path, 0, 1)[0]))


def factor_jump(seed: int, name: str, path: int, t: int, probability: float) -> float | None:
    """The size of the jump in standard normals, or None where there is none."""
    four = words(seed, name, path, t // 2, 2)
    if uniform(four[2 * (t % 2)]) < probability:
        return float(ndtri(uniform(four[2 * (t % 2) + 1])))
    return None


# ---------------------------------------------------------------------------------- scenario


def scenario_names(tables: dict) -> list[str]:
    """The scenarios of a system in the order in which they first appear."""
    return list(dict.fromkeys(row["scenario"] for row in tables.get("scenarios") or ()))


def scenario_effects(tables: dict, scenario: str | None, effects: str) -> str:
    """The scenario's own effects, or those of the run."""
    for row in complete("scenarios", tables.get("scenarios")):
        if row["scenario"] == scenario and row["effects"] is not None:
            return row["effects"]
    return effects


def changed(op: str, old: float, value: float) -> float:
    return {"set": value, "scale": old * value, "add": old + value}[op]


def apply_scenario(model: dict, rows: list[dict]) -> None:
    """Write a scenario's rows, in their order, into the model."""
    last = model["T"] - 1
    for row in rows:
        if row["parameter"] is None:
            continue
        op, value = row["op"], row["value"]
        end = last if row["end"] is None else int(row["end"])
        periods = range(int(row["start"] or 0), end + 1)
        if row["parameter"] == "correlation.stress":
            model["stress"] = changed(op, model["stress"], value)
            continue
        what, rest = row["parameter"].split(".", 1)
        name, attribute = rest.rsplit(".", 1)
        if what == "factor" and attribute == "shift":
            for t in periods:
                model["shift"][name][t] = changed(op, model["shift"][name][t], value)
        elif what == "factor" and attribute == "value":
            for t in periods:
                model["value"][name][t].append((op, value))
        elif what == "factor":
            factor = model["factors"][name]
            factor[attribute] = changed(op, factor[attribute], value)
        elif what == "flow":
            for flow in flows_addressed(model, name):
                for t in periods:
                    model["scale"][flow][t] = changed(op, model["scale"][flow][t], value)
        elif what == "entity" and attribute == "fail_at":
            model["entities"][name]["fail_at"] = int(value)
        elif what == "entity":
            entity = model["entities"][name]
            entity[attribute] = changed(op, entity[attribute], value)
        else:
            raise ValueError(f"unknown parameter {row['parameter']!r}")


def flows_addressed(model: dict, name: str) -> list[str]:
    """A flow's own name, or all of a kind but loan principals and what is driven by a flow that is hit."""
    flows = model["flows"]
    if not name.startswith("kind:"):
        return [] if flows[name]["part"] == "principal" else [name]
    kind = name[len("kind:") :]

    def hit(flow: dict) -> bool:
        if flow["kind"] != kind or flow["part"] == "principal":
            return False
        driver = flow["driver"]
        while driver is not None:
            if flows[driver]["kind"] == kind and flows[driver]["part"] != "principal":
                return False  # that one is hit, or is itself left out because of one further up that is
            driver = flows[driver]["driver"]
        return True

    return [flow["name"] for flow in flows.values() if hit(flow)]


# ------------------------------------------------------------------------------------- model


def loan_schedule(loan: dict, periods: int, periods_per_year: float) -> tuple[list[float], list[float]]:
    """Scheduled opening balance and scheduled principal of each period, at a share drawn of 1."""
    n = rounded_periods(loan["years"], periods_per_year)
    first = 0 if loan["draw"] is None else int(loan["draw"]) + 1
    opening, repaid = [0.0] * periods, [0.0] * periods
    balance = principal = float(loan["principal"])
    rate = loan["rate"] / periods_per_year if loan["amortisation"] == "annuity" else 0.0
    for k in range(n):
        if loan["amortisation"] == "bullet":
            part = principal if k == n - 1 else 0.0
        elif loan["amortisation"] == "linear" or rate == 0.0:
            part = principal / n
        else:
            part = principal * rate / -math.expm1(-n * math.log1p(rate)) - balance * rate
        if first + k < periods:
            opening[first + k], repaid[first + k] = balance, part
        balance -= part
    return opening, repaid


def loan_flows(loan: dict, periods: int, periods_per_year: float) -> list[dict]:
    opening, repaid = loan_schedule(loan, periods, periods_per_year)
    rate = 1.0 if loan["rate"] is None else loan["rate"]  # without a rate, the index makes it

    def flow(part: str, kind: str, payer: str | None, receiver: str | None, schedule: list[float]) -> dict:
        own = {"name": f"{loan['name']}.{part}", "part": part, "loan": loan["name"], "schedule": schedule}
        own |= {"kind": kind, "rank": RANK_OF_KIND[kind], "payer": payer, "receiver": receiver}
        return DEFAULTS["flows"] | own

    borrower, lender = loan["borrower"], loan["lender"]
    charged = [balance / periods_per_year * rate for balance in opening]
    interest = flow("interest", "interest", borrower, lender, charged)
    interest |= {"index": loan["index"], "spread": loan["spread"]}
    flows = [interest, flow("principal", "principal", borrower, lender, repaid)]
    if loan["draw"] is not None:
        drawn = [float(loan["principal"]) if t == loan["draw"] else 0.0 for t in range(periods)]
        flows.append(flow("draw", "funding", lender, borrower, drawn))
    return flows


def build(settings: dict, tables: dict, scenario: str | None) -> dict:
    """The system under a scenario, by name."""
    periods, per_year = int(settings["periods"]), settings["periods_per_year"]
    model = {
        "T": periods,
        "D": 1.0 / per_year,
        "per_year": per_year,
        "alpha": settings.get("default_costs", (1.0, 1.0))[0],
        "beta": settings.get("default_costs", (1.0, 1.0))[1],
        "entities": by_name("entities", tables),
        "factors": by_name("factors", tables),
        "loans": by_name("loans", tables),
        "exposures": complete("exposures", tables.get("exposures")),
        "stress": 0.0,
    }
    for factor in model["factors"].values():
        if factor["mean"] is None:
            factor["mean"] = factor["initial"]

    flows = {}
    for row in complete("flows", tables["flows"]):
        rank = row["rank"] or RANK_OF_KIND[row["kind"]]
        end = periods - 1 if row["end"] is None else int(row["end"])
        per_period = 1.0 if row["driver"] is not None else model["D"]
        schedule = [0.0] * periods
        for t in range(int(row["start"]), end + 1):
            schedule[t] = row["amount"] * per_period * (1.0 + row["growth"]) ** (t * model["D"])
        flows[row["name"]] = row | {"rank": rank, "schedule": schedule, "part": None, "loan": None}
    for row in tables.get("schedules") or ():
        flows[row["flow"]]["schedule"][int(row["period"])] = float(row["amount"])
    for loan in model["loans"].values():
        flows |= {flow["name"]: flow for flow in loan_flows(loan, periods, per_year)}
    model["flows"] = flows

    model["elasticities"] = {}
    for row in tables.get("sensitivities") or ():
        model["elasticities"].setdefault(row["target"], []).append((row["factor"], row["elasticity"]))
    model["shift"] = {name: [0.0] * periods for name in model["factors"]}
    model["value"] = {name: [[] for _ in range(periods)] for name in model["factors"]}
    model["scale"] = {name: [1.0] * periods for name in flows}
    rows = complete("scenarios", tables.get("scenarios"))
    apply_scenario(model, [row for row in rows if scenario is not None and row["scenario"] == scenario])

    correlation = {}
    for row in tables.get("correlations") or ():
        pair = row["factor_a"], row["factor_b"]
        correlation[pair] = correlation[pair[::-1]] = row["value"]
    model["cholesky"] = cholesky(list(model["factors"]), correlation, model["stress"])
    return model


def cholesky(names: list[str], correlation: dict, stress: float) -> list[list[float]]:
    size = len(names)

    def entry(i: int, j: int) -> float:
        if i == j:
            return 1.0
        c = correlation.get((names[i], names[j]), 0.0)
        return c + stress * (1.0 - c)

    lower = [[0.0] * size for _ in range(size)]
    for j in range(size):
        pivot = entry(j, j) - math.fsum(lower[j][k] ** 2 for k in range(j))
        if pivot <= 1e-12:
            continue
        lower[j][j] = math.sqrt(pivot)
        for i in range(j + 1, size):
            lower[i][j] = (entry(i, j) - math.fsum(lower[i][k] * lower[j][k] for k in range(j))) / lower[j][j]
    return lower


# ---------------------------------------------------------------------------- step 1 factors


def link(process: str, y: float) -> float:
    if process in ("gbm", "log_ou"):
        return math.exp(y)
    if process == "logit_ou":
        return 1.0 / (1.0 + math.exp(-y))
    return y


def unlink(process: str, x: float) -> float:
    if process in ("gbm", "log_ou"):
        return math.log(x)
    if process == "logit_ou":
        return math.log(x / (1.0 - x))
    return x


def linear_process(factor: dict, years: float) -> tuple[float, float, float]:
    """a, b and s of the table in step 1."""
    process, sigma = factor["process"], factor["volatility"]
    if process == "constant":
        return 0.0, 1.0, 0.0
    if process == "gbm":
        return (factor["drift"] - sigma**2 / 2.0) * years, 1.0, sigma * math.sqrt(years)
    kappa = factor["reversion"]
    b = math.exp(-kappa * years)
    one_minus_b = -math.expm1(-kappa * years)
    s = sigma * math.sqrt(-math.expm1(-2.0 * kappa * years) / (2.0 * kappa))
    return unlink(process, factor["mean"]) * one_minus_b, b, s


def observed_factors(model: dict, path: int, seed: int, given: dict[str, list[float]]) -> dict[str, list]:
    """X(t) of every factor; `given` holds paths of one's own."""
    factors, years = model["factors"], model["D"]
    names = list(factors)
    y = {name: unlink(factor["process"], factor["initial"]) for name, factor in factors.items()}
    observed = {name: [] for name in names}
    for t in range(model["T"]):
        z = [factor_normal(seed, name, path, t) for name in names]
        for i, (name, factor) in enumerate(factors.items()):
            eps = sum(model["cholesky"][i][j] * z[j] for j in range(len(names)))
            a, b, s = linear_process(factor, years)
            y[name] = a + b * y[name] + s * eps
            if factor["jump_rate"] > 0.0:
                zeta = factor_jump(seed, name, path, t, -math.expm1(-factor["jump_rate"] * years))
                if zeta is not None:
                    y[name] += factor["jump_mean"] + factor["jump_volatility"] * zeta
            x = link(factor["process"], y[name] + model["shift"][name][t])
            if name in given:
                x = given[name][t]
            if factor["floor"] is not None:
                x = max(x, factor["floor"])
            if factor["cap"] is not None:
                x = min(x, factor["cap"])
            for op, value in model["value"][name][t]:
                x = changed(op, x, value)
            observed[name].append(x)
    return observed


# ------------------------------------------------------------------------- step 4 settlement


class Network:
    """What one period's settlement is made of, as arrays over entities and ranks."""

    def __init__(self, model: dict, own: list[float], links: list[tuple], line_interest: list[float]):
        """links: (payer index or None, receiver index or None, rank index, billed)."""
        size = len(own)
        self.alpha, self.beta = model["alpha"], model["beta"]
        self.own = np.array(own, dtype=float)
        self.reserve = np.array([entity["reserve"] for entity in model["entities"].values()], dtype=float)
        self.due = np.zeros((size, 3))
        self.billed = np.zeros((3, size, size))  # rank, receiver, payer
        self.from_outside = np.zeros(size)
        self.due[:, 1] += line_interest
        for payer, receiver, rank, amount in links:
            if payer is not None:
                self.due[payer, rank] += amount
            if receiver is not None and payer is None:
                self.from_outside[receiver] += amount
            elif receiver is not None:
                self.billed[rank, receiver, payer] += amount
        self.must = self.due[:, 0] + self.due[:, 1]
        self.owing = self.must > 0.0
        self.nearest = math.inf

    def receipts(self, ratio: np.ndarray) -> np.ndarray:
        return self.from_outside + sum(self.billed[rank] @ ratio[:, rank] for rank in range(3))

    def judge(self, receipts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Who is short, and everybody's funds."""
        total, threshold = self.own + receipts, (1.0 - TOLERANCE) * self.must
        short = total < threshold
        distance = np.abs(total - threshold)[self.owing] / np.maximum(total, threshold)[self.owing]
        self.nearest = min(self.nearest, distance.min(initial=math.inf))
        return short, np.where(short, self.alpha * self.own + self.beta * receipts, total)

    def update(self, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One update of all entities together: the new ratios, and who is short in it."""
        short, left = self.judge(self.receipts(ratio))
        new = np.ones_like(ratio)
        for rank in range(3):
            if rank == 2:
                left = np.maximum(0.0, left - self.reserve)
            paid = np.minimum(self.due[:, rank], left)
            left = left - paid
            np.divide(paid, self.due[:, rank], out=new[:, rank], where=self.due[:, rank] > 0.0)
        return np.minimum(ratio, new), short

    def settle(self) -> tuple[np.ndarray, np.ndarray, int]:
        """The greatest fixed point: ratios, who is short, number of updates."""
        ratio = np.ones_like(self.due)
        for updates in range(1, PATIENCE + 1):
            new, short = self.update(ratio)
            fall = float(np.max(ratio - new))
            ratio = new
            if fall <= (AT_REST if updates <= PLAIN_UPDATES else 2e-16):
                return ratio, short, updates
        ratio, short = self.finish(ratio, short)
        return ratio, short, PATIENCE

    def marginal(self, receipts: np.ndarray, short: np.ndarray) -> np.ndarray:
        """The first rank that is not met, 3 where all are."""
        funds = np.where(short, self.alpha * self.own + self.beta * receipts, self.own + receipts)
        rank = np.full(len(funds), 3)
        for i in range(len(funds)):
            left = funds[i]
            for r in range(3):
                if r == 2:
                    left -= self.reserve[i]
                if self.due[i, r] > 0.0 and left < (1.0 - TOLERANCE) * self.due[i, r]:
                    rank[i] = r
                    break
                left -= self.due[i, r]
        return rank

    def finish(self, ratio: np.ndarray, short: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The exact finish of step 4, from the statuses at given ratios."""
        size = len(self.own)
        rank = self.marginal(self.receipts(ratio), short)
        while True:
            known = (np.arange(3)[None, :] < rank[:, None]).astype(float)
            known[self.due == 0.0] = 1.0
            receipts = self.receipts(known)
            a = np.where(short, self.alpha, 1.0)
            b = np.where(short, self.beta, 1.0)
            c, slope = np.zeros(size), np.zeros((size, size))
            partial = np.flatnonzero(rank < 3)
            for i in partial:
                senior = self.due[i, : rank[i]].sum() + (self.reserve[i] if rank[i] == 2 else 0.0)
                c[i] = a[i] * self.own[i] + b[i] * receipts[i] - senior
                for j in partial:
                    slope[i, j] = b[i] * self.billed[rank[j], i, j] / self.due[j, rank[j]]
            x, joined = np.zeros(size), np.zeros(size, dtype=bool)
            while True:
                joining = (c + slope @ x > 0.0) & ~joined & (rank < 3)
                if not joining.any():
                    break
                joined |= joining
                k = np.flatnonzero(joined)
                x[k] = np.linalg.solve(np.eye(len(k)) - slope[np.ix_(k, k)], c[k])
            ratio = known.copy()
            ratio[partial, rank[partial]] = x[partial] / self.due[partial, rank[partial]]
            receipts = self.receipts(ratio)
            now_short = short | self.judge(receipts)[0]
            now_rank = np.minimum(rank, self.marginal(receipts, now_short))
            if (now_short == short).all() and (now_rank == rank).all():
                return ratio, short
            short, rank = now_short, now_rank


# ------------------------------------------------------------------------------ step 5 books


class Book:
    """The book of one capex flow with a life."""

    def __init__(self, flow: dict, per_year: float):
        self.flow = flow
        self.n = rounded_periods(flow["life"], per_year)
        opening_life = flow["life"] if flow["opening_life"] is None else flow["opening_life"]
        self.opening_n = rounded_periods(opening_life, per_year)
        self.opening = float(flow["opening_book"])
        self.value = self.opening
        self.capitalised: list[float] = []
        self.impaired = False

    def write_down(self, t: int) -> float:
        amount = self.opening / self.opening_n if t < self.opening_n else 0.0
        amount += sum(self.capitalised[u] for u in range(max(0, t - self.n), t)) / self.n
        self.value -= amount
        return amount

    def capitalise(self, paid: float) -> None:
        self.capitalised.append(paid)
        self.value += paid

    def impair(self) -> float:
        kept = self.flow["relet_price"]
        lost = self.value * (1.0 - kept)
        self.value *= kept
        self.opening *= kept
        self.capitalised = [amount * kept for amount in self.capitalised]
        self.impaired = True
        return lost


# ---------------------------------------------------------------------------------- the path


class Path:
    """The state of one path, and the steps of a period."""

    def __init__(self, model: dict, effects: str, observed: dict[str, list], thresholds: dict[str, float]):
        self.model, self.effects, self.observed, self.thresholds = model, effects, observed, thresholds
        self.names = list(model["entities"])
        self.index = {name: i for i, name in enumerate(self.names)}
        self.cash = {name: float(entity["cash"]) for name, entity in model["entities"].items()}
        self.gathered = dict.fromkeys(self.names, 0.0)
        self.failed_at: dict[str, int] = {}
        self.cause = dict.fromkeys(self.names, 0)
        self.stops: dict[str, int] = {}
        loans = model["loans"]
        self.share = {name: 1.0 if loan["draw"] is None else 0.0 for name, loan in loans.items()}
        self.balance = {name: self.share[name] * loan["principal"] for name, loan in loans.items()}
        self.books = {
            name: Book(flow, model["per_year"])
            for name, flow in model["flows"].items()
            if flow["kind"] == "capex" and flow["life"] is not None
        }
        self.margins = {"short": math.inf, "solvency": math.inf, "credit": math.inf, "payback": math.inf}
        self.updates: list[int] = []
        flows = model["flows"]
        self.series = {
            "cash": {name: [] for name in self.names},
            "paid": {name: [] for name in flows},
            "billed": {name: [] for name in flows},
            "ratio": {(name, rank): [] for name in self.names for rank in RANKS},
            "depreciation": {name: [] for name in flows if flows[name]["kind"] == "capex"},
            "impairment": {name: [] for name in flows if flows[name]["kind"] == "capex"},
            "estate": [],
            "from_outside": [],
        }
        self.lowest = dict.fromkeys(self.names, math.inf)

    def near(self, decision: str, quantity: float, threshold: float, size: float | None = None) -> None:
        size = max(abs(quantity), abs(threshold)) if size is None else size
        if size > 0.0:
            self.margins[decision] = min(self.margins[decision], abs(quantity - threshold) / size)

    def stopped(self, name: str | None, t: int) -> bool:
        return name is not None and name in self.stops and t >= self.stops[name]

    def fail(self, name: str, t: int, cause: int) -> None:
        self.failed_at[name] = t
        self.cause[name] = cause
        self.stops[name] = t if cause in (1, 4) else t + 1

    def power_of_factors(self, target: str, t: int) -> float:
        product = 1.0
        for factor, elasticity in self.model["elasticities"].get(target, ()):
            product *= (self.observed[factor][t] / self.model["factors"][factor]["initial"]) ** elasticity
        return product

    # step 2
    def credit_events(self, t: int) -> None:
        for name, entity in self.model["entities"].items():
            if entity["fail_at"] == t and name not in self.failed_at:
                self.fail(name, t, 4)
        for name, entity in self.model["entities"].items():
            if entity["hazard"] <= 0.0 or name in self.failed_at:
                continue
            self.gathered[name] += entity["hazard"] * self.power_of_factors(name, t) * self.model["D"]
            self.near("credit", self.gathered[name], self.thresholds[name])
            if self.gathered[name] >= self.thresholds[name]:
                self.fail(name, t, 1)

    # step 3
    def gate(self, flow: dict, t: int) -> tuple[float, str | None, str | None]:
        """The gate, and who pays and receives in its place (None: outside)."""
        payer, receiver = flow["payer"], flow["receiver"]
        if self.effects != "full":
            return 1.0, payer, receiver
        payer_stopped, receiver_stopped = self.stopped(payer, t), self.stopped(receiver, t)
        if flow["rank"] == "discretionary":
            ended = payer_stopped or receiver_stopped or self.stopped(flow["tenant"], t)
            return (0.0 if ended else 1.0), payer, receiver
        gate = 1.0
        if payer_stopped:
            relet = flow["loan"] is None and t >= self.stops[payer] + flow["relet_lag"]
            gate = flow["relet_price"] if relet else 0.0
            payer = None
        if receiver_stopped:
            receiver = None
        return gate, payer, receiver

    def bill(self, t: int) -> dict[str, float]:
        billed: dict[str, float] = {}

        def amount(name: str) -> float:
            if name not in billed:
                flow = self.model["flows"][name]
                value = self.model["scale"][name][t] * flow["schedule"][t] * self.power_of_factors(name, t)
                if flow["index"] is not None:
                    value *= max(0.0, flow["spread"] + self.observed[flow["index"]][t])
                if flow["driver"] is not None:
                    value *= amount(flow["driver"])
                if flow["part"] in ("interest", "principal"):
                    value *= self.share[flow["loan"]]
                billed[name] = value * self.gate(flow, t)[0]
            return billed[name]

        for name in self.model["flows"]:
            amount(name)
        return billed

    # step 4
    def settle(self, t: int, billed: dict[str, float]) -> tuple[dict, dict, list[str]]:
        """What each flow pays, what each entity's cash changes by, and who is short."""
        model, effects, years = self.model, self.effects, self.model["D"]
        flows, entities = model["flows"], model["entities"]
        going = [name for name in self.names if not self.stopped(name, t)]
        deposit, line = dict.fromkeys(self.names, 0.0), dict.fromkeys(self.names, 0.0)
        for n in going:
            deposit[n] = years * entities[n]["cash_rate"] * max(self.cash[n], 0.0)
            line[n] = years * entities[n]["line_rate"] * max(-self.cash[n], 0.0)
        ends = {name: self.gate(flow, t)[1:] for name, flow in flows.items()}

        own = [max(0.0, self.cash[n] + deposit[n] + entities[n]["credit_line"]) for n in self.names]
        links = [
            (self.index.get(payer), self.index.get(receiver), RANKS.index(flows[name]["rank"]), billed[name])
            for name, (payer, receiver) in ends.items()
        ]
        network = Network(model, own, links, [line[n] for n in self.names])
        if effects == "none":
            ratios, short, updates = np.ones_like(network.due), np.zeros(len(own), dtype=bool), 0
        elif effects == "first_round":
            ratios, short = network.update(np.ones_like(network.due))
            for name in set(self.names) - set(going):
                i = self.index[name]
                short[i] = False
                ratios[i] = np.where(network.due[i] > 0.0, 0.0, 1.0)
            updates = 1
            network.nearest = math.inf
            for name in going:
                i = self.index[name]
                if network.must[i] > 0.0:
                    total = own[i] + float(network.receipts(np.ones_like(ratios))[i])
                    self.near("short", total, (1.0 - TOLERANCE) * float(network.must[i]))
        else:
            ratios, short, updates = network.settle()
            self.margins["short"] = min(self.margins["short"], network.nearest)
        self.updates.append(updates)

        paid = {}
        change = {n: deposit[n] - line[n] * float(ratios[self.index[n], 1]) for n in self.names}
        from_outside = sum(change.values())
        self.received = dict.fromkeys(self.names, 0.0)
        for name, (payer, receiver) in ends.items():
            paid[name] = billed[name]
            if payer is not None:
                paid[name] *= float(ratios[self.index[payer], RANKS.index(flows[name]["rank"])])
            received = paid[name] if effects == "full" else billed[name]
            if payer is not None and payer in going:
                change[payer] -= paid[name]
            if receiver is not None and receiver in going:
                change[receiver] += received
                self.received[receiver] += received
            from_outside += received * (payer is None and receiver is not None)
            from_outside -= paid[name] * (receiver is None and payer is not None)
        self.series["from_outside"].append(from_outside)
        for name in self.names:
            for rank in range(3):
                self.series["ratio"][name, RANKS[rank]].append(float(ratios[self.index[name], rank]))
        return paid, change, [name for name in going if short[self.index[name]]]

    def is_rounding(self, name: str, cash: float) -> bool:
        moved = abs(self.cash[name]) + self.received[name]
        return abs(cash) < 1e-12 * moved + 2.0**-48 * self.model["entities"][name]["credit_line"]

    # step 5
    def move_balances(self, t: int, billed: dict[str, float], paid: dict[str, float]) -> None:
        for name, loan in self.model["loans"].items():
            if loan["draw"] is not None:
                drawn = paid[name + ".draw"] if self.effects == "full" else billed[name + ".draw"]
                self.balance[name] += drawn
                if t == loan["draw"] and loan["principal"] > 0.0:
                    self.share[name] = drawn / loan["principal"]
            self.balance[name] -= paid[name + ".principal"]
            if abs(self.balance[name]) < 1e-12 * loan["principal"]:
                self.balance[name] = 0.0

    def keep_books(self, t: int, paid: dict[str, float]) -> None:
        for name in self.series["depreciation"]:
            book = self.books.get(name)
            self.series["depreciation"][name].append(0.0 if book is None else book.write_down(t))
            self.series["impairment"][name].append(0.0)
            if book is not None:
                book.capitalise(paid[name])

    def write_off(self, t: int) -> None:
        while True:
            for name, book in self.books.items():
                if book.flow["tenant"] in self.failed_at and not book.impaired:
                    self.series["impairment"][name][t] += book.impair()
            insolvent = []
            for name, entity in self.model["entities"].items():
                if not entity["solvency_trigger"] or name in self.failed_at:
                    continue
                assets, liabilities = self.balance_sheet(name)
                self.near("solvency", assets, (1.0 - TOLERANCE) * liabilities)
                if assets < (1.0 - TOLERANCE) * liabilities:
                    insolvent.append(name)
            for name in insolvent:
                self.fail(name, t, 3)
            if not insolvent:
                return

    def balance_sheet(self, name: str) -> tuple[float, float]:
        entity = self.model["entities"][name]
        assets = max(self.cash[name], 0.0) + entity["other_assets"]
        liabilities = max(-self.cash[name], 0.0) + entity["other_debt"]
        for book in self.books.values():
            if book.flow["payer"] == name:
                assets += book.value
        for claim in self.model["exposures"]:
            if claim["holder"] == name:
                assets += claim["amount"] * (claim["recovery"] if claim["issuer"] in self.failed_at else 1.0)
            if claim["issuer"] == name and claim["kind"] == "loan":
                liabilities += claim["amount"]
        for loan in self.model["loans"].values():
            if loan["lender"] == name:
                left = loan["recovery"] if loan["borrower"] in self.failed_at else 1.0
                assets += self.balance[loan["name"]] * left
            if loan["borrower"] == name:
                liabilities += self.balance[loan["name"]]
        return assets, liabilities

    def period(self, t: int) -> None:
        entities = self.model["entities"]
        if self.effects != "none":
            self.credit_events(t)
        billed = self.bill(t)
        paid, change, short = self.settle(t, billed)
        for name in self.names:
            cash = self.cash[name] + change[name]
            if self.effects != "none" and not self.stopped(name, t):
                cash = max(-entities[name]["credit_line"], cash)
            self.cash[name] = 0.0 if self.is_rounding(name, cash) else cash
        for name in short:
            self.fail(name, t, 2)
        self.move_balances(t, billed, paid)
        self.keep_books(t, paid)
        if self.effects == "full":
            self.write_off(t)
        estate = 0.0
        for name in self.names:
            if self.failed_at.get(name) == t:
                estate += self.cash[name]
                self.cash[name] = 0.0
            liquidity = 0.0 if name in self.failed_at else self.cash[name] + entities[name]["credit_line"]
            self.lowest[name] = min(self.lowest[name], liquidity)
            self.series["cash"][name].append(self.cash[name])
        self.series["estate"].append(estate)
        for name in self.model["flows"]:
            self.series["billed"][name].append(billed[name])
            self.series["paid"][name].append(paid[name])


# --------------------------------------------------------------------------- step 6 measures


def measure_lines(flows: dict, series: dict, address: str) -> list[list[float]]:
    """The lines that a row of the measures table names."""
    if address.startswith("kind:"):
        kind = address[len("kind:") :]
        return [series["paid"][name] for name, flow in flows.items() if flow["kind"] == kind]
    if ":" in address:
        name, line = address.rsplit(":", 1)
        return [series[line][name]]
    return [series["paid"][address]]


def measure_figures(lines: list[tuple[float, list[float]]], settings: dict, near) -> tuple[dict, list[float]]:
    periods, years = int(settings["periods"]), 1.0 / settings["periods_per_year"]
    per_period = [sum(weight * line[t] for weight, line in lines) for t in range(periods)]
    running = gross = npv = 0.0
    trough, payback = math.inf, periods
    for t in range(periods):
        running += per_period[t]
        gross += sum(abs(weight * line[t]) for weight, line in lines)
        npv += per_period[t] * (1.0 + settings["discount_rate"]) ** -((t + 1) * years)
        trough = min(trough, running)
        near("payback", running, -TOLERANCE * gross, gross)
        if running < -TOLERANCE * gross:
            payback = periods
        elif payback == periods:
            payback = t
    return {"total": running, "npv": npv, "trough": trough, "payback": payback, "gross": gross}, per_period


# ----------------------------------------------------------------------------------- the API


def simulate_path(
    settings: dict,
    tables: dict[str, list[dict]],
    scenario: str | None,
    effects: str,
    path: int,
    seed: int,
    factor_paths: dict[str, list[float]] | None = None,
) -> dict:
    """One path of one scenario in full detail.

    `margins` holds the smallest relative distance to its threshold that any decision met (short, solvency,
    credit, payback). An exact tie of nice numbers is 1e-9 away from a threshold that carries the tolerance of
    1e-9, so exempt what lies well below that. `updates` counts the settlement updates of each period.
    `from_outside` is what outside brought in, net, interest on cash and lines included: in `full`, the change
    of all cash in a period is from_outside - estate.
    """
    effects = scenario_effects(tables, scenario, effects)
    model = build(settings, tables, scenario)
    observed = observed_factors(model, path, seed, factor_paths or {})
    thresholds = {name: credit_threshold(seed, name, path) for name in model["entities"]}
    state = Path(model, effects, observed, thresholds)
    for t in range(model["T"]):
        state.period(t)

    grouped: dict[str, list[tuple[float, list[float]]]] = {}
    for row in complete("measures", tables.get("measures")):
        lines = measure_lines(model["flows"], state.series, row["flow"])
        grouped.setdefault(row["measure"], []).extend((row["weight"], line) for line in lines)
    figures, measure_series = {}, {}
    for name, lines in grouped.items():
        figures[name], measure_series[name] = measure_figures(lines, settings, state.near)

    return {
        "effects": effects,
        "failed_at": {name: state.failed_at.get(name, model["T"]) for name in state.names},
        "cause": state.cause,
        "lowest_liquidity": state.lowest,
        "final_cash": state.cash,
        "measures": figures,
        "cash": state.series["cash"],
        "paid": state.series["paid"],
        "billed": state.series["billed"],
        "measure": measure_series,
        "factor": observed,
        "estate": state.series["estate"],
        "ratio": state.series["ratio"],
        "depreciation": state.series["depreciation"],
        "impairment": state.series["impairment"],
        "from_outside": state.series["from_outside"],
        "margins": state.margins,
        "updates": state.updates,
    }


def position_losses(
    settings: dict, positions: list[dict], failed_at: dict[str, int], horizon: float | None = None
) -> dict[str, float]:
    """What each position of a book loses on one path."""
    years = 1.0 / settings["periods_per_year"]
    losses = {}
    for row in complete("positions", positions):
        t = failed_at[row["entity"]]
        end = (t + 1) * years
        maturity = math.inf if row["maturity"] is None else row["maturity"]
        loss = 0.0
        if t < settings["periods"] and end <= maturity + 1e-9 and (horizon is None or end <= horizon + 1e-9):
            linear = row["amortisation"] == "linear" and math.isfinite(maturity)
            exposure = row["exposure"] * (max(0.0, 1.0 - t * years / maturity) if linear else 1.0)
            loss = exposure * (1.0 - row["recovery"]) * (1.0 + settings["discount_rate"]) ** -end
        losses[row["name"]] = loss
    return losses
