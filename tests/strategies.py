"""Hypothesis strategies for random valid systems, as (settings, tables): the dict form that oracle.py takes.

Hypothesis draws the shape (sizes, switches, a seed); a random.Random of that seed fills in the numbers,
because thousands of single draws would be slow. Rows of one table all have the same columns; columns that
would hold nothing but their default are mostly left out, and always where they would hold only nulls.

`edge=True` adds what is valid on one reading of the design only, or hangs on a reading that oracle.py lists:
loan flows as drivers, lives, opening lives and years that round to no period (n = 1 then), linear positions,
scaled or added-to null means, stress on pairs that the table of correlations does not name.
"""

from __future__ import annotations

import itertools
import math
from random import Random

from hypothesis import strategies as st

KINDS = (
    "revenue",
    "fee",
    "opex",
    "power",
    "tax",
    "rent",
    "interest",
    "principal",
    "capex",
    "funding",
    "dividend",
)
RANKS = ("operating", "debt", "discretionary")
PROCESSES = ("constant", "gbm", "ou", "log_ou", "logit_ou")
EFFECTS = ("none", "first_round", "full")
TABLES = (
    "entities",
    "factors",
    "correlations",
    "flows",
    "schedules",
    "sensitivities",
    "loans",
    "exposures",
    "measures",
    "positions",
    "scenarios",
)
OPTIONAL = {
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
    "loans": {"lender": None, "rate": None, "index": None, "spread": 0.0, "draw": None, "recovery": 0.0},
    "exposures": {"recovery": 0.0, "kind": ""},
    "measures": {"weight": 1.0},
    "positions": {"maturity": None, "amortisation": "bullet", "recovery": 0.0},
    "scenarios": {"start": None, "end": None, "effects": None},
}


class Maker:
    """Fills the tables of one system from a random.Random."""

    def __init__(self, rng: Random, shape: dict):
        self.rng, self.shape = rng, shape
        self.per_year = shape["periods_per_year"]
        self.periods = shape["periods"]
        self.unit = 10.0 * shape["unit"]  # what a typical flow pays in a period
        self.tables: dict[str, list[dict]] = {name: [] for name in TABLES}
        self.taken: set[str] = set()

    # ------------------------------------------------------------------ numbers, names

    def often(self, probability: float) -> bool:
        return self.rng.random() < probability

    def number(self, low: float, high: float) -> float:
        """A nice number or an ugly one."""
        value = self.rng.uniform(low, high)
        if self.often(0.5):
            return value
        step = 10.0 ** math.floor(math.log10(max(abs(low), abs(high), 1e-12))) / 4.0
        return min(max(round(value / step) * step, low), high)

    def share(self) -> float:
        return self.rng.choice((0.0, 0.0, 0.4, 0.5, 0.25, 1.0, self.rng.random()))

    def period(self) -> int:
        return self.rng.randrange(self.periods)

    def name(self, stem: str, number: int) -> str:
        plain = f"{stem}{number}"
        if self.shape["odd_names"] and self.often(0.4):
            odd = (f"{stem} {number}", f"{stem}.{number}", f"{stem}.cash.{number}", f"Ü{stem}-{number}")
            odd += (
                f"{stem}株{number}",
                f"kind {stem}{number}",
                f"{stem}{number}.scale",
                f'{stem}"{number},;',
            )
            plain = self.rng.choice(odd)
        if plain in self.taken:
            plain = f"{plain}~{number}"
        self.taken.add(plain)
        return plain

    def two_entities(self) -> tuple[str, str]:
        return tuple(self.rng.sample(self.entities, 2))

    # ------------------------------------------------------------------------- factors

    def make_factors(self) -> None:
        rng = self.rng
        processes = self.shape["processes"]
        self.factors: list[str] = []
        self.positive: list[str] = []
        years = self.periods / self.per_year
        for number, process in enumerate(processes):
            name = f"F{number}" if self.often(0.8) else f"factor.{number} ü"
            row = {"name": name, "process": process} | OPTIONAL["factors"]
            log = process in ("gbm", "log_ou")
            size = 1.0
            if log or process == "constant":
                row["initial"] = rng.choice((1.0, 1.0, 0.5, 2.0, 100.0, 0.05, self.number(0.2, 3.0)))
                size = row["initial"]
            elif process == "ou":
                row["initial"] = rng.choice((0.04, 0.05, 1.0, 0.0, -0.01, self.number(0.01, 2.0)))
                size = abs(row["initial"]) or 0.05
            else:
                row["initial"] = rng.choice((0.5, 0.25, 0.9, rng.uniform(0.05, 0.95)))
            if process == "constant" and self.often(0.1):
                row["initial"] = -row["initial"]
            if process != "constant":
                spread_out = 0.6 if process != "ou" else 0.5 * size
                row["volatility"] = rng.choice((0.0, self.number(0.0, 1.0), rng.random())) * spread_out
                if self.often(0.3):
                    row["jump_rate"] = rng.choice((1.0, self.number(0.05, 2.0))) / max(1.0, years / 4.0)
                    scale = 1.0 if process != "ou" else size
                    row["jump_mean"] = self.number(-0.5, 0.3) * scale
                    row["jump_volatility"] = rng.choice((0.0, rng.uniform(0.0, 0.3))) * scale
            if process == "gbm":
                row["drift"] = rng.choice((0.0, self.number(-0.2, 0.2)))
            if process in ("ou", "log_ou", "logit_ou"):
                row["reversion"] = rng.choice((0.5, 1.0, self.number(0.05, 4.0), rng.uniform(0.01, 0.1)))
                if self.often(0.5):
                    if process == "logit_ou":
                        row["mean"] = rng.uniform(0.05, 0.95)
                    else:
                        row["mean"] = rng.uniform(0.3, 2.0) * size
            if self.often(0.25):
                row["floor"] = rng.choice((0.5, rng.uniform(0.1, 1.1))) * size
                if process == "ou" and self.often(0.3):
                    row["floor"] = 0.0
                if process == "logit_ou":
                    row["floor"] = min(row["floor"], 0.8)
            if self.often(0.2):
                row["cap"] = max(rng.uniform(0.9, 2.0) * size, row["floor"] or 0.0)
            sure = process in ("gbm", "log_ou", "logit_ou", "constant") or (row["floor"] or 0.0) > 0.0
            if row["initial"] > 0.0 and sure:
                self.positive.append(name)
            self.factors.append(name)
            self.tables["factors"].append(row)
        self.correlate()

    def correlate(self) -> None:
        """One common factor behind all, so that the matrix is positive semi-definite."""
        rng = self.rng
        if len(self.factors) < 2 or not self.shape["correlated"]:
            return
        loadings = [rng.choice((0.0, 1.0, -1.0, 0.5, rng.uniform(-0.95, 0.95))) for _ in self.factors]
        for i, j in itertools.combinations(range(len(self.factors)), 2):
            value = loadings[i] * loadings[j]
            if self.shape["edge"] and value == 0.0 and self.often(0.8):
                continue
            a, b = (i, j) if self.often(0.7) else (j, i)
            self.tables["correlations"].append(
                {"factor_a": self.factors[a], "factor_b": self.factors[b], "value": value}
            )
        rng.shuffle(self.tables["correlations"])

    def level(self, factor: str) -> float:
        row = next(row for row in self.tables["factors"] if row["name"] == factor)
        return row["initial"]

    # ------------------------------------------------------------------------ entities

    def make_entities(self) -> None:
        rng, years = self.rng, self.periods / self.per_year
        tight = self.shape["tightness"]
        for number in range(self.shape["entities"]):
            row = {"name": self.name("E", number)} | OPTIONAL["entities"]
            row["role"] = rng.choice(("", "lab", "bank"))
            row["cash"] = rng.choice((0.0, self.number(0.0, 2.0), self.number(0.0, 6.0))) * self.unit * tight
            if self.often(0.4):
                row["credit_line"] = self.number(0.1, 3.0) * self.unit * tight
                if self.often(0.4):
                    row["cash"] = -rng.choice((1.0, rng.random())) * row["credit_line"]
            if self.often(0.3):
                row["reserve"] = self.number(0.0, 1.5) * self.unit
            if self.often(0.4):
                row["cash_rate"] = rng.choice((0.02, rng.uniform(0.0, 0.1)))
                row["line_rate"] = rng.choice((0.08, rng.uniform(0.0, 0.5)))
            if self.often(0.35):
                row["hazard"] = rng.choice((0.3, rng.uniform(0.02, 1.0))) / years
            row["other_assets"] = rng.choice((0.0, self.number(0.0, 6.0))) * self.unit
            row["solvency_trigger"] = self.often(self.shape["triggers"])
            self.tables["entities"].append(row)
        self.entities = [row["name"] for row in self.tables["entities"]]

    def set_debts(self) -> None:
        """Other debt such that entities with a trigger start sound, and not by much."""
        for row in self.tables["entities"]:
            assets, debt = max(row["cash"], 0.0) + row["other_assets"], max(-row["cash"], 0.0)
            for exposure in self.tables["exposures"]:
                assets += exposure["amount"] * (exposure["holder"] == row["name"])
                debt += exposure["amount"] * (
                    exposure["issuer"] == row["name"] and exposure["kind"] == "loan"
                )
            for loan in self.tables["loans"]:
                if loan["draw"] is None:
                    assets += loan["principal"] * (loan["lender"] == row["name"])
                    debt += loan["principal"] * (loan["borrower"] == row["name"])
            for flow in self.tables["flows"]:
                assets += flow["opening_book"] * (flow["payer"] == row["name"])
            if row["solvency_trigger"] and assets < debt and self.often(0.8):
                row["other_assets"] += debt - assets + self.number(0.0, 3.0) * self.unit
                assets = debt + self.unit
            if row["solvency_trigger"] or self.often(0.2):
                row["other_debt"] = max(0.0, assets - debt) * self.rng.choice(
                    (0.0, 0.9, self.rng.uniform(0.4, 1.0))
                )

    # --------------------------------------------------------------------------- flows

    def flow(self, payer: str | None, receiver: str | None, kind: str, amount: float) -> dict:
        row = {"name": self.name("L", len(self.tables["flows"])), "payer": payer, "receiver": receiver}
        row = OPTIONAL["flows"] | row | {"kind": kind, "amount": amount}
        self.tables["flows"].append(row)
        return row

    def make_flows(self) -> None:
        rng = self.rng
        if self.shape["ring"] != "none":
            self.make_ring()
        for _ in range(self.shape["flows"]):
            toss = rng.random()
            if toss < 0.3:
                payer, receiver = None, rng.choice(self.entities)
            elif toss < 0.55 or len(self.entities) < 2:
                payer, receiver = rng.choice(self.entities), None
            elif toss < 0.93:
                payer, receiver = self.two_entities()
            else:
                payer = receiver = None
            row = self.flow(
                payer, receiver, rng.choice(KINDS), self.number(0.0, 2.0) * self.unit * self.per_year
            )
            self.vary(row)
        for row in rng.sample(self.tables["flows"], len(self.tables["flows"]) // 5):
            for t in sorted(rng.sample(range(self.periods), rng.randint(1, min(3, self.periods)))):
                amount = self.number(0.0, 1.5) * (1.0 if row["driver"] else self.unit)
                self.tables["schedules"].append({"flow": row["name"], "period": t, "amount": amount})

    def make_ring(self) -> None:
        """A circle of debt: everybody owes the next about the same, and nobody has much."""
        rng = self.rng
        size = min(len(self.entities), rng.choice((2, 3, 4, 8)))
        if size < 2:
            return
        members = rng.sample(self.entities, size)
        kind = rng.choice(("fee", "interest", "principal", "rent"))
        amount = self.number(1.0, 6.0) * self.unit * self.per_year
        leak = {"closed": 0.0, "slow": 0.002, "leaking": rng.choice((0.1, 0.02, rng.random()))}[
            self.shape["ring"]
        ]
        for i, member in enumerate(members):
            owed = amount * rng.choice((1.0, 1.0, rng.uniform(0.9, 1.1)))
            self.flow(member, members[(i + 1) % size], kind, owed)
        if leak:
            self.flow(rng.choice(members), None, kind, amount * leak)
        for row in self.tables["entities"]:
            if row["name"] in members and self.often(0.8):
                row["cash"], row["credit_line"] = self.number(0.0, 0.02) * self.unit, 0.0

    def vary(self, row: dict) -> None:
        rng = self.rng
        if self.often(0.2):
            row["rank"] = rng.choice(RANKS)
        if self.often(0.3):
            row["growth"] = rng.choice((0.1, rng.uniform(-0.4, 0.6)))
        if self.often(0.2):
            row["start"] = self.period()
        if self.often(0.2):
            row["end"] = rng.randrange(row["start"], self.periods)
        if self.often(0.25):
            row["relet_lag"] = rng.choice((0, 1, 2, 5))
        if self.often(0.4):
            row["relet_price"] = self.share()
        if row["kind"] == "capex":
            self.invest(row)
        earlier = [flow["name"] for flow in self.tables["flows"] if flow is not row]
        if self.shape["edge"]:
            earlier += [
                f"{loan['name']}.{part}"
                for loan in self.tables["loans"]
                for part in ("interest", "principal")
            ]
            earlier += [f"{loan['name']}.draw" for loan in self.tables["loans"] if loan["draw"] is not None]
        if earlier and self.often(self.shape["driven"]):
            row["driver"] = rng.choice(earlier)
            row["amount"] = rng.choice((0.2, 1.0, 0.5, self.number(0.0, 1.3)))
        if self.factors and self.often(0.15):
            row["index"] = rng.choice(self.factors)
            row["spread"] = rng.choice((0.0, 0.02, rng.uniform(-0.05, 0.05)))
            row["amount"] /= max(0.02, self.level(row["index"]) + row["spread"])

    def invest(self, row: dict) -> None:
        rng = self.rng
        if self.often(0.5):
            row["tenant"] = rng.choice([name for name in self.entities if name != row["payer"]] or [None])
        if not self.often(0.75):
            return
        row["life"] = self.years()
        if self.often(0.6):
            row["opening_book"] = self.number(0.0, 5.0) * self.unit
            if self.often(0.5):
                row["opening_life"] = self.years()

    def years(self) -> float:
        """A number of years that rounds to at least one period, unless edges are wanted."""
        years = self.rng.choice(
            (1.0, 5.0, self.rng.randint(1, 12) / self.per_year, self.rng.uniform(0.1, 6.0))
        )
        if self.shape["edge"] and self.often(0.1):
            return self.rng.choice((0.25 / self.per_year, 0.5 / self.per_year, 1.5 / self.per_year))
        return max(years, 1.0 / self.per_year)

    # ---------------------------------------------------------------- loans, exposures

    def make_loans(self) -> None:
        rng = self.rng
        for number in range(self.shape["loans"]):
            row = {"name": self.name("loan", number), "borrower": rng.choice(self.entities)} | OPTIONAL[
                "loans"
            ]
            others = [name for name in self.entities if name != row["borrower"]]
            if others and self.often(0.7):
                row["lender"] = rng.choice(others)
            row["principal"] = rng.choice((1.0, self.number(0.0, 6.0))) * self.unit
            row["years"] = self.years()
            row["amortisation"] = rng.choice(("bullet", "linear", "annuity"))
            if self.factors and row["amortisation"] != "annuity" and self.often(0.5):
                row["index"] = rng.choice(self.factors)
                row["spread"] = rng.choice((0.0, 0.03, rng.uniform(-0.1, 0.1)))
            else:
                row["rate"] = rng.choice((0.0, 0.08, rng.uniform(0.0, 0.4)))
            if self.often(0.5):
                row["draw"] = self.period()
            row["recovery"] = self.share()
            self.taken |= {f"{row['name']}.{part}" for part in ("interest", "principal", "draw")}
            self.tables["loans"].append(row)

    def make_exposures(self) -> None:
        if len(self.entities) < 2:
            return
        for _ in range(self.shape["exposures"]):
            holder, issuer = self.two_entities()
            row = {"holder": holder, "issuer": issuer, "amount": self.number(0.0, 5.0) * self.unit}
            row |= {"recovery": self.share(), "kind": self.rng.choice(("", "loan", "bond", "equity"))}
            self.tables["exposures"].append(row)

    def make_sensitivities(self) -> None:
        targets = [row["name"] for row in self.tables["flows"]]
        targets += [row["name"] for row in self.tables["entities"] if row["hazard"] > 0.0 or self.often(0.1)]
        self.sensitive: set[str] = set()
        if not self.positive:
            return
        for target in targets:
            for factor in self.rng.sample(self.positive, len(self.positive)):
                if not self.often(0.4 / len(self.positive)):
                    continue
                elasticity = self.rng.choice((1.0, 1.0, 0.5, -1.0, 2.0, 0.0, self.rng.uniform(-1.5, 1.5)))
                row = {"target": target, "factor": factor, "elasticity": elasticity}
                self.tables["sensitivities"].append(row)
                self.sensitive.add(factor)

    # ------------------------------------------------------------- measures, positions

    def flow_lines(self) -> list[tuple[str, str]]:
        """Name and kind of every flow, those of the loans included."""
        lines = [(row["name"], row["kind"]) for row in self.tables["flows"]]
        for loan in self.tables["loans"]:
            lines += [(loan["name"] + ".interest", "interest"), (loan["name"] + ".principal", "principal")]
            if loan["draw"] is not None:
                lines.append((loan["name"] + ".draw", "funding"))
        return lines

    def make_measures(self) -> None:
        rng, lines = self.rng, self.flow_lines()
        capex = [row["name"] for row in self.tables["flows"] if row["kind"] == "capex"]
        for number in range(self.shape["measures"] if lines else 0):
            for _ in range(rng.randint(1, 5)):
                toss = rng.random()
                if capex and toss < 0.25:
                    address = rng.choice(capex) + rng.choice((":depreciation", ":impairment"))
                elif toss < 0.5:
                    address = "kind:" + rng.choice(lines)[1]
                else:
                    address = rng.choice(lines)[0]
                weight = rng.choice((1.0, -1.0, 1.0, -0.5, rng.uniform(-2.0, 2.0)))
                self.tables["measures"].append({"measure": f"M{number}", "flow": address, "weight": weight})

    def make_positions(self) -> None:
        rng = self.rng
        for number in range(self.shape["positions"]):
            row = {"name": f"P{number}", "entity": rng.choice(self.entities)} | OPTIONAL["positions"]
            row["exposure"] = self.number(-1.0, 5.0) * self.unit
            row["recovery"] = self.share()
            if self.often(0.6):
                row["maturity"] = rng.choice(
                    (rng.randint(1, self.periods) / self.per_year, rng.uniform(0.1, 6.0))
                )
                if self.shape["edge"] and self.often(0.5):
                    row["amortisation"] = "linear"
            self.tables["positions"].append(row)

    # ----------------------------------------------------------------------- scenarios

    def make_scenarios(self) -> None:
        rng = self.rng
        for number in range(self.shape["scenarios"]):
            name = (
                "base"
                if number == 0 and self.often(0.5)
                else f"S{number}" + rng.choice(("", " down 10 %", ".ü"))
            )
            effects = rng.choice((None, None, None, *EFFECTS))
            rows = [] if name == "base" else [self.change() for _ in range(rng.randint(1, 6))]
            rows = self.sound(rows) or [{"parameter": None, "op": None, "value": None}]
            for row in rows:
                whole = {"scenario": name, "start": None, "end": None} | row | {"effects": effects}
                self.tables["scenarios"].append(whole)

    def change(self) -> dict:
        kinds = ["flow", "flow", "entity"]
        if self.factors:
            kinds += ["factor", "factor", "factor"]
        if self.tables["correlations"] or (self.shape["edge"] and len(self.factors) > 1):
            kinds.append("stress")
        row = getattr(self, "change_" + self.rng.choice(kinds))()
        if row["parameter"].endswith((".shift", ".value")) or row["parameter"].startswith("flow."):
            if self.often(0.4):
                row["start"] = self.period()
            if self.often(0.4):
                row["end"] = self.rng.randrange(row.get("start", 0), self.periods)
        return row

    def change_flow(self) -> dict:
        rng = self.rng
        lines = self.flow_lines()
        if not lines:
            return self.change_entity()
        principal = {loan["name"] + ".principal" for loan in self.tables["loans"]}
        name, kind = rng.choice([line for line in lines if line[0] not in principal] or [(None, None)])
        if name is None:
            return self.change_entity()
        address = f"flow.kind:{kind}.scale" if self.often(0.5) else f"flow.{name}.scale"
        op = rng.choice(("set", "scale", "add"))
        value = {
            "set": rng.choice((0.0, 0.7, rng.uniform(0.0, 2.0))),
            "scale": rng.choice((0.5, rng.uniform(0.0, 2.0))),
        }
        return {"parameter": address, "op": op, "value": value.get(op, rng.uniform(0.0, 0.6))}

    def change_entity(self) -> dict:
        rng = self.rng
        row = rng.choice(self.tables["entities"])
        attribute = rng.choice(("cash", "credit_line", "hazard", "fail_at", "fail_at"))
        if attribute == "fail_at":
            return {"parameter": f"entity.{row['name']}.fail_at", "op": "set", "value": float(self.period())}
        op = rng.choice(("set", "scale", "add"))
        size = self.unit if attribute != "hazard" else self.per_year / self.periods
        value = rng.choice((0.0, 0.5, 1.5, rng.random())) if op == "scale" else self.number(-0.5, 1.5) * size
        return {"parameter": f"entity.{row['name']}.{attribute}", "op": op, "value": value}

    def change_stress(self) -> dict:
        return {
            "parameter": "correlation.stress",
            "op": "set",
            "value": self.rng.choice((0.3, 1.0, self.rng.random())),
        }

    def change_factor(self) -> dict:
        rng = self.rng
        row = rng.choice(self.tables["factors"])
        process, name = row["process"], row["name"]
        size = 1.0 if process in ("gbm", "log_ou", "logit_ou") else abs(row["initial"]) or 0.05
        attributes = ["shift", "shift", "value"]
        if process != "constant":
            attributes += ["volatility", "drift" if process == "gbm" else "reversion"]
        if process in ("ou", "log_ou", "logit_ou"):
            attributes.append("mean")
        attribute = rng.choice(attributes)
        op = rng.choice(("set", "scale", "add"))
        positive = name in self.sensitive
        if attribute == "shift":
            low = 0.0 if positive and process == "constant" else -0.6
            value = rng.uniform(0.0, 1.5) if op == "scale" else rng.uniform(low, 0.5) * size
        elif attribute == "value":
            level = abs(row["initial"]) or 0.05
            value = rng.uniform(0.3, 1.5) if op == "scale" else rng.uniform(0.1, 1.5) * level
            if not positive and self.often(0.3):
                value = -value
        elif attribute == "drift":
            value = rng.uniform(0.0, 2.0) if op == "scale" else rng.uniform(-0.2, 0.2)
        elif attribute == "volatility":
            value = rng.uniform(0.0, 1.5) if op == "scale" else rng.uniform(0.0, 0.3) * min(size, 1.0)
        elif attribute == "reversion":
            value = rng.uniform(0.2, 2.0)
        else:
            if row["mean"] is None and not self.shape["edge"]:
                op = "set"
            if process == "logit_ou" and op == "add":
                op = "set"
            value = rng.uniform(0.3, 0.95) * (1.0 if op == "scale" or process == "logit_ou" else size)
        return {"parameter": f"factor.{name}.{attribute}", "op": op, "value": value}

    def sound(self, rows: list[dict]) -> list[dict]:
        """The rows that leave cash, credit lines and hazards valid after each of them."""
        state = {}
        for row in self.tables["entities"]:
            for attribute in ("cash", "credit_line", "hazard"):
                state[f"entity.{row['name']}.{attribute}"] = row[attribute]
        kept = []
        for row in rows:
            address = row["parameter"]
            if address in state:
                old, value = state[address], row["value"]
                state[address] = {"set": value, "scale": old * value, "add": old + value}[row["op"]]
                entity = address.rsplit(".", 1)[0]
                lines = state[entity + ".credit_line"], state[entity + ".hazard"]
                if min(lines) < 0.0 or state[entity + ".cash"] < -lines[0]:
                    state[address] = old
                    continue
            kept.append(row)
        return kept

    # ------------------------------------------------------------------------ together

    def make(self) -> tuple[dict, dict[str, list[dict]]]:
        rng = self.rng
        self.make_factors()
        self.make_entities()
        self.make_loans()
        self.make_flows()
        self.make_exposures()
        self.set_debts()
        self.make_sensitivities()
        self.make_measures()
        self.make_positions()
        self.make_scenarios()
        if self.shape["shuffled"]:
            for name in ("flows", "loans", "schedules", "sensitivities"):
                rng.shuffle(self.tables[name])
        costs = [1.0, 1.0]
        if self.shape["default_costs"]:
            costs = [
                rng.choice((1.0, 0.9, 0.0, rng.random())),
                rng.choice((1.0, 0.9, 0.5, 0.0, rng.random())),
            ]
        settings = {
            "name": "random",
            "periods": self.periods,
            "periods_per_year": self.per_year,
            "discount_rate": rng.choice((0.0, 0.08, rng.uniform(0.0, 0.3))),
            "default_costs": tuple(costs),
        }
        return settings, {name: self.columns(name) for name in TABLES}

    def columns(self, table: str) -> list[dict]:
        rows = self.tables[table]
        for column, default in OPTIONAL.get(table, {}).items():
            empty = all(row[column] is None for row in rows)
            if empty or (all(row[column] == default for row in rows) and self.often(0.6)):
                rows = [{key: value for key, value in row.items() if key != column} for row in rows]
        if self.often(0.1):
            rows = [row | {"source": self.rng.choice(("", "assumption"))} for row in rows]
        return rows


@st.composite
def systems(
    draw,
    max_entities: int = 8,
    max_factors: int = 4,
    max_flows: int = 16,
    max_loans: int = 4,
    max_exposures: int = 6,
    max_periods: int = 10,
    max_scenarios: int = 3,
    edge: bool = True,
    **fixed,
):
    """A random valid system: (settings, tables); `fixed` are entries of its shape that are not drawn."""

    def up_to(most: int, least: int = 0) -> int:
        return draw(st.integers(least, max(least, most)))

    def one_of(*values):
        return draw(st.sampled_from(values))

    per_year = one_of(4, 1, 12, 2)
    shape = {
        "periods_per_year": per_year,
        "periods": up_to(min(max_periods, 10 * per_year), 1),
        "unit": one_of(1.0, 1.0, 1e6, 0.01),
        "tightness": one_of(0.5, 0.1, 0.0, 2.0, 8.0),
        "odd_names": draw(st.booleans()),
        "entities": up_to(max_entities, 1),
        "processes": draw(st.lists(st.sampled_from(PROCESSES), max_size=max_factors)),
        "correlated": draw(st.booleans()),
        "triggers": one_of(0.0, 0.5, 1.0),
        "ring": one_of("none", "none", "none", "closed", "slow", "leaking"),
        "flows": up_to(max_flows),
        "driven": one_of(0.0, 0.15, 0.4),
        "loans": up_to(max_loans),
        "exposures": up_to(max_exposures),
        "measures": up_to(3),
        "positions": up_to(3),
        "scenarios": up_to(max_scenarios),
        "default_costs": draw(st.booleans()),
        "shuffled": draw(st.booleans()),
        "edge": edge,
    }
    return Maker(Random(draw(st.integers(0, 2**32 - 1))), shape | fixed).make()


@st.composite
def factor_tables(draw, settings: dict, tables: dict[str, list[dict]], paths: int = 3):
    """Factor paths of one's own: {path: {factor: [X of each period]}} for some of a system's factors."""
    names = [row["name"] for row in tables["factors"]]
    chosen = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    rng = Random(draw(st.integers(0, 2**32 - 1)))
    initial = {row["name"]: abs(row.get("initial", 1.0)) or 0.05 for row in tables["factors"]}
    return {
        path: {
            name: [initial[name] * rng.uniform(0.5, 1.6) for _ in range(settings["periods"])]
            for name in chosen
        }
        for path in range(paths)
    }
