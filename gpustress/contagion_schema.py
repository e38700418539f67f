"""The columns of the tables that contagion takes and gives, beside those of a network."""

from __future__ import annotations

from typing import Final

from .network_schema import LARGEST, NODES
from .result_schema import ResultColumn, ResultSchema
from .schema import Column, Schema

_SOURCE: Final = NODES.by_name["source"]

HOLDERS: Final = Schema(
    "holders",
    "Who holds assets.",
    (
        Column("name", "string", "unique among holders", identifier=True),
        Column(
            "equity",
            "float",
            "book equity, currency; at most what it holds: the rest of that is debt",
            minimum=0.0,
            maximum=LARGEST,
            above=True,
        ),
        _SOURCE,
    ),
    key=("name",),
    required=True,
)

ASSETS: Final = Schema(
    "assets",
    "What can be sold; cash is an asset without impact.",
    (
        Column("name", "string", "unique among assets", identifier=True),
        Column(
            "impact",
            "float",
            "fall of the price, as a share of it, for each unit of currency sold",
            minimum=0.0,
            maximum=LARGEST,
        ),
        _SOURCE,
    ),
    key=("name",),
    required=True,
)

HOLDINGS: Final = Schema(
    "holdings",
    "Who holds what.",
    (
        Column("holder", "string", "a holder", refers="holder"),
        Column("asset", "string", "an asset", refers="asset"),
        Column("amount", "float", "market value, currency", minimum=0.0, maximum=LARGEST),
        _SOURCE,
    ),
    key=("holder", "asset"),
    required=True,
)

_SHOCK: Final = ResultColumn("shock", "int64", "the shock's row, from 0")

CASCADE_FAILURES: Final = ResultSchema(
    "failures",
    "`Cascade.failures()`: a row for each failure, by shock, round and node.",
    (
        _SHOCK,
        ResultColumn("node", "string", "who failed"),
        ResultColumn("round", "int64", "in which it failed; 0: by the shock itself"),
        ResultColumn("loss", "float", "all of its losses, the shock's included, currency"),
        ResultColumn("equity", "float", "equity less losses, currency"),
    ),
    coordinates=False,
)

CASCADE_SUMMARY: Final = ResultSchema(
    "summary",
    "`Cascade.summary()`: a row for each shock.",
    (
        _SHOCK,
        ResultColumn("rounds", "int64", "the last round in which a node failed; -1: none did"),
        ResultColumn("initial_failures", "int64", "nodes that failed by the shock itself"),
        ResultColumn("failures", "int64", "nodes that failed"),
        ResultColumn("initial_loss", "float", "losses by the shock itself, currency"),
        ResultColumn("loss", "float", "all losses, currency"),
    ),
    coordinates=False,
)

DEBTRANK_SUMMARY: Final = ResultSchema(
    "summary",
    "`DebtRank.summary()`: a row for each shock.",
    (
        _SHOCK,
        ResultColumn("impact", "float", "share of economic value that contagion distresses: the DebtRank"),
        ResultColumn("aggregate_vulnerability", "float", "share of all equity that contagion takes"),
        ResultColumn("failures", "int64", "nodes that have lost all of their equity"),
    ),
    coordinates=False,
)

FIRE_SALES_SUMMARY: Final = ResultSchema(
    "summary",
    "`FireSales.summary()`: a row for each shock.",
    (
        _SHOCK,
        ResultColumn("sold", "float", "all sales, currency"),
        ResultColumn("aggregate_vulnerability", "float", "share of all equity that the sales take"),
        ResultColumn("failures", "int64", "holders that have lost all of their equity"),
    ),
    coordinates=False,
)

CONTAGION_SCHEMAS: Final = (HOLDERS, ASSETS, HOLDINGS)
CONTAGION_RESULT_SCHEMAS: Final = (
    CASCADE_FAILURES,
    CASCADE_SUMMARY,
    DEBTRANK_SUMMARY,
    FIRE_SALES_SUMMARY,
)
