"""The columns of every input table: the one truth that checks, CSV types, defaults and docs are made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

Type = Literal["string", "float", "integer", "boolean", "date", "pair"]  # the last two in system.toml alone


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()

OUTSIDE: Final = "outside"
MAX_PERIODS: Final = 32_767  # failed_at is int16 and `periods` stands for "survived"
MAX_TERM: Final = 1_000_000_000  # periods that a loan or a life may last: they are counted in int32

# A flow's rank in settlement, most senior first, and the rank of each kind unless its row says otherwise.
RANKS: Final = ("operating", "debt", "discretionary")
OPERATING, DEBT, DISCRETIONARY = range(3)
RANK_OF_KIND: Final = {
    "revenue": "operating",
    "fee": "operating",
    "opex": "operating",
    "power": "operating",
    "tax": "operating",
    "rent": "operating",
    "interest": "debt",
    "principal": "debt",
    "capex": "discretionary",
    "funding": "discretionary",
    "dividend": "discretionary",
}
PROCESSES: Final = ("constant", "gbm", "ou", "log_ou", "logit_ou")
AMORTISATIONS: Final = ("bullet", "linear", "annuity")
EFFECTS: Final = ("none", "first_round", "full")
OPERATIONS: Final = ("set", "scale", "add")
CAUSES: Final = ("none", "credit", "liquidity", "solvency", "imposed")
LOAN_CLAIM: Final = "loan"  # an exposure of this kind is a liability of its issuer
KIND_PREFIX: Final = "kind:"
DEPRECIATION: Final = "depreciation"
IMPAIRMENT: Final = "impairment"


@dataclass(frozen=True)
class Column:
    """One column: its type, what a missing value means, what values it takes, and what it is for.

    Attributes
    ----------
    name, type, doc : str
    default : object
        REQUIRED, None (null is a value of its own), or what an empty cell means.
    minimum, maximum : float or None
        Bounds; `above` makes the minimum strict.
    choices : tuple of str
        The only values, where there are any.
    refers : str
        What the value has to name: "entity", "factor", "flow" (loan flows too), "own flow" (of the flows
        table), "entity or own flow", "line" (of a measure).
    shown_default : str
        How the documentation names a default that depends on another column.
    identifier : bool
        The name by which other rows refer to this one.
    in_horizon : bool
        A period of the run: at most periods - 1.
    term : bool
        Years that are rounded to whole periods, of which there are at most MAX_TERM.
    """

    name: str
    type: Type
    doc: str
    default: object = REQUIRED
    minimum: float | None = None
    maximum: float | None = None
    above: bool = False
    choices: tuple[str, ...] = ()
    refers: str = ""
    shown_default: str = ""
    identifier: bool = False
    in_horizon: bool = False
    term: bool = False

    @property
    def noun(self) -> str:
        """The type in words: "a number"."""
        return _NOUNS[self.type]

    @property
    def allowed(self) -> str:
        """What the column takes, as it follows "Write": "a number of at least 0"."""
        if self.choices:
            return f"one of {', '.join(f'`{choice}`' for choice in self.choices)}"
        if self.minimum is None:
            return self.noun
        if self.maximum is not None:
            return f"{self.noun} from {self.minimum:g} to {self.maximum:g}"
        return f"{self.noun} {'above' if self.above else 'of at least'} {self.minimum:g}"

    def holds(self, number: float) -> bool:
        """Whether a number lies within the bounds."""
        if self.minimum is not None and (number <= self.minimum if self.above else number < self.minimum):
            return False
        return self.maximum is None or number <= self.maximum


_NOUNS: Final[dict[Type, str]] = {
    "string": "text",
    "float": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "date": "a date as YYYY-MM-DD",
    "pair": "a list of two numbers",
}


@dataclass(frozen=True)
class Schema:
    """One table: its columns in order, and the columns that together may not repeat."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    required: bool = False
    by_name: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {column.name: column for column in self.columns})


def _name(doc: str) -> Column:
    return Column("name", "string", doc, identifier=True)


def _text(name: str, doc: str, default: object = REQUIRED, **more: object) -> Column:
    return Column(name, "string", doc, default, **more)  # type: ignore[arg-type]


def _number(name: str, doc: str, default: object = REQUIRED, **more: object) -> Column:
    return Column(name, "float", doc, default, **more)  # type: ignore[arg-type]


def _amount(name: str, doc: str, default: object = REQUIRED) -> Column:
    return Column(name, "float", doc, default, minimum=0.0)


def _share(name: str, doc: str, default: object = REQUIRED) -> Column:
    return Column(name, "float", doc, default, minimum=0.0, maximum=1.0)


def _period(name: str, doc: str, default: object = REQUIRED, **more: object) -> Column:
    return Column(name, "integer", doc, default, minimum=0, in_horizon=True, **more)  # type: ignore[arg-type]


def _flag(name: str, doc: str, default: object = REQUIRED) -> Column:
    return Column(name, "boolean", doc, default)


_SOURCE = _text("source", "where the row's figures come from; an assumption says so", "")

_TABLES = (
    Schema(
        "entities",
        "Legal persons that hold cash and can fail. `outside` is everybody else and is not listed.",
        (
            _name("unique over entities, flows and loans"),
            _text("role", "free text, for reports", ""),
            _number("cash", "opening cash, currency; negative where the credit line is drawn"),
            _amount("credit_line", "how far below 0 cash may go, currency", 0.0),
            _amount("reserve", "liquidity kept from discretionary payments, currency", 0.0),
            _number("cash_rate", "interest earned on positive cash, a year", 0.0, minimum=-1.0),
            _number("line_rate", "interest owed on a drawn line, a year", 0.0, minimum=0.0),
            _amount("other_assets", "assets that no table lists, currency", 0.0),
            _amount("other_debt", "liabilities that no table lists, currency", 0.0),
            _number(
                "hazard", "rate of credit events at the factors' initial values, a year", 0.0, minimum=0.0
            ),
            _flag("solvency_trigger", "fails once assets fall below liabilities", False),
            _SOURCE,
        ),
        key=("name",),
        required=True,
    ),
    Schema(
        "factors",
        "Stochastic drivers shared by all.",
        (
            _name("unique among factors"),
            _text("process", "the law of motion", choices=PROCESSES),
            _number(
                "initial",
                "value before the first period; gbm and log_ou: above 0; logit_ou: within (0, 1)",
                1.0,
            ),
            _number("drift", "gbm: mu, a year; no effect elsewhere", 0.0),
            _number("volatility", "sigma, a square root of a year; constant takes none", 0.0, minimum=0.0),
            _number(
                "mean",
                "ou, log_ou, logit_ou: long-run value, on the scale of `initial`",
                None,
                shown_default="initial",
            ),
            _number(
                "reversion", "ou, log_ou, logit_ou need it: kappa, a year", None, minimum=0.0, above=True
            ),
            _number("jump_rate", "jumps a year; constant takes none", 0.0, minimum=0.0),
            _number("jump_mean", "mean of a jump in y", 0.0),
            _number("jump_volatility", "standard deviation of a jump in y", 0.0, minimum=0.0),
            _number("floor", "least observed value; null: none", None),
            _number("cap", "greatest observed value, at least the floor; null: none", None),
            _SOURCE,
        ),
        key=("name",),
    ),
    Schema(
        "correlations",
        "Correlations of the factors' shocks: each pair once, in either order; one that is not listed has 0. "
        "Together they have to be a correlation matrix (positive semidefinite).",
        (
            _text("factor_a", "a factor", refers="factor"),
            _text("factor_b", "another factor", refers="factor"),
            _number("value", "correlation", minimum=-1.0, maximum=1.0),
            _SOURCE,
        ),
    ),
    Schema(
        "flows",
        "Lines of payments per period.",
        (
            _name("unique over entities, flows and loans"),
            _text("payer", "an entity", None, refers="entity", shown_default=OUTSIDE),
            _text(
                "receiver",
                "an entity; without payer and receiver it is a memo line",
                None,
                refers="entity",
                shown_default=OUTSIDE,
            ),
            _text("kind", "what is paid for", choices=tuple(RANK_OF_KIND)),
            _text("rank", "seniority in settlement", None, choices=RANKS, shown_default="by kind"),
            _amount(
                "amount", "currency a year at the factors' initial values; a ratio where there is a driver"
            ),
            _number("growth", "growth of the amount a year, from period 0", 0.0, minimum=-1.0, above=True),
            _period("start", "first period", 0),
            _period("end", "last period; null: the last of the system", None, shown_default="last period"),
            _text(
                "index",
                "factor whose value, plus `spread`, multiplies the amount (a floating rate)",
                None,
                refers="factor",
            ),
            _number("spread", "added to the index", 0.0),
            _text("driver", "another flow, of whose billed amount this one is a share", None, refers="flow"),
            Column(
                "relet_lag",
                "integer",
                "periods from the payer's stop until `outside` takes the capacity over",
                0,
                minimum=0,
            ),
            _share(
                "relet_price",
                "share of the amount that `outside` then pays, and of the book value "
                "that an impairment leaves",
                0.0,
            ),
            _number(
                "life",
                "capex only: years over which a payment is written down; null: an expense",
                None,
                minimum=0.0,
                term=True,
            ),
            _amount("opening_book", "capex with a life: book value before the first period, currency", 0.0),
            _number(
                "opening_life",
                "years over which the opening book is written down",
                None,
                minimum=0.0,
                shown_default="life",
                term=True,
            ),
            _text(
                "tenant",
                "capex only: the entity that uses the asset; its failure impairs it",
                None,
                refers="entity",
            ),
            _SOURCE,
        ),
        key=("name",),
        required=True,
    ),
    Schema(
        "schedules",
        "Amounts that replace the flow's own for single periods.",
        (
            _text("flow", "a flow of the flows table", refers="own flow"),
            _period("period", "period"),
            _amount(
                "amount",
                "currency in that period; a ratio where the flow has a driver; notional times D "
                "where it has an index",
            ),
            _SOURCE,
        ),
        key=("flow", "period"),
    ),
    Schema(
        "sensitivities",
        "Powers of factors, relative to their initial values, that multiply a flow or a hazard.",
        (
            _text(
                "target", "a flow of the flows table, or an entity (its hazard)", refers="entity or own flow"
            ),
            _text("factor", "a factor that is always positive", refers="factor"),
            _number("elasticity", "the power"),
            _SOURCE,
        ),
        key=("target", "factor"),
    ),
    Schema(
        "loans",
        "Loans; each gives the flows NAME.interest and NAME.principal (and NAME.draw) and a claim.",
        (
            _name("unique over entities, flows and loans"),
            _text("borrower", "an entity", refers="entity"),
            _text("lender", "an entity", None, refers="entity", shown_default=OUTSIDE),
            _amount("principal", "currency"),
            _number("rate", "interest a year; given, or else `index` is", None, minimum=0.0),
            _text("index", "factor that gives the rate, with `spread` added", None, refers="factor"),
            _number("spread", "added to the index", 0.0),
            _period("draw", "period in which it is paid out; null: outstanding at the start", None),
            _number("years", "term", minimum=0.0, above=True, term=True),
            _text(
                "amortisation",
                "how the principal is repaid; annuity needs `rate`",
                "bullet",
                choices=AMORTISATIONS,
            ),
            _share("recovery", "share of the balance that the lender keeps when the borrower fails", 0.0),
            _SOURCE,
        ),
        key=("name",),
    ),
    Schema(
        "exposures",
        "What a holder loses when an issuer fails.",
        (
            _text("holder", "an entity", refers="entity"),
            _text("issuer", "another entity", refers="entity"),
            _amount("amount", "currency"),
            _share("recovery", "share that the holder keeps", 0.0),
            _text("kind", f"free text; `{LOAN_CLAIM}` makes it a liability of the issuer", ""),
            _SOURCE,
        ),
    ),
    Schema(
        "measures",
        "Named weighted sums of flows.",
        (
            _text("measure", "the measure's name"),
            _text("flow", "a flow, kind:KIND, NAME:depreciation or NAME:impairment", refers="line"),
            _number("weight", "factor of the sum", 1.0),
            _SOURCE,
        ),
    ),
    Schema(
        "positions",
        "The user's own book: what is lost when an entity fails.",
        (
            _text("name", "unique among positions"),
            _text("entity", "whose failure makes the loss", refers="entity"),
            _number("exposure", "currency; negative: protection bought"),
            _number(
                "maturity", "years, which linear needs; null: it never matures", None, minimum=0.0, above=True
            ),
            _text(
                "amortisation", "how the exposure falls until maturity", "bullet", choices=AMORTISATIONS[:2]
            ),
            _share("recovery", "share that is kept", 0.0),
            _SOURCE,
        ),
        key=("name",),
    ),
    Schema(
        "scenarios",
        "Named changes to the system's parameters, applied in the order of the rows.",
        (
            _text("scenario", "the scenario's name"),
            _text("parameter", "an address, e.g. factor.NAME.shift; null: nothing is changed", None),
            _period("start", "first period of the change", None, shown_default="first period"),
            _period("end", "last period of the change", None, shown_default="last period"),
            _text("op", "what is done with `value`; a parameter needs both", None, choices=OPERATIONS),
            _number("value", "the number", None),
            _text(
                "effects",
                "what follows from failures; one a scenario; null: the run's",
                None,
                choices=EFFECTS,
            ),
            _SOURCE,
        ),
    ),
)

# The keys of system.toml, and the keyword arguments of System beside the tables.
SETTINGS: Final = Schema(
    "system.toml",
    "What holds for the whole system.",
    (
        _text("name", "the system's name, for reports"),
        _text("currency", "what amounts are counted in, for reports", ""),
        Column("start", "date", "first day of the first period, for reports", None),
        Column("periods", "integer", "number of periods, T", minimum=1, maximum=MAX_PERIODS),
        _number(
            "periods_per_year",
            "periods in a year; a period lasts D = 1 / periods_per_year years",
            minimum=1e-3,
            maximum=1e6,
        ),
        _number("discount_rate", "for present values, a year", 0.0, minimum=-1.0, above=True),
        Column(
            "default_costs",
            "pair",
            "shares of its own funds and of its receipts (alpha, beta) that an "
            "entity which falls short still pays out",
            (1.0, 1.0),
            minimum=0.0,
            maximum=1.0,
        ),
    ),
    required=True,
)

SCHEMAS: Final[dict[str, Schema]] = {schema.name: schema for schema in _TABLES}
