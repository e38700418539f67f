"""The columns of the tables of networks: cleared, valued, under contagion and fire sales (docs/results.md)."""

from __future__ import annotations

from typing import Final

from ..result_columns import ResultColumn, ResultSchema

_SHOCK = ResultColumn("shock", "int64", "the shock's number, from 0")
CLEARING: Final = ResultSchema(
    "clearing",
    "A network cleared: a row for each shock and node.",
    (
        _SHOCK,
        ResultColumn("node", "string", "a node"),
        ResultColumn("external_assets", "float", "the shock: what it holds beside its claims, currency"),
        ResultColumn("payments", "float", "what it pays in all, currency"),
        ResultColumn("recovery", "float", "the same as a share of what it owes; 1 where it owes nothing"),
        ResultColumn("equity", "float", "what is left to its owners, currency"),
        ResultColumn("defaulted", "boolean", "whether it has less than it owes"),
        ResultColumn("round", "int64", "round in which it defaults, from 1; 0: it does not"),
    ),
    coordinates=False,
)
CLEARING_SUMMARY: Final = ResultSchema(
    "clearing_summary",
    "A network cleared: a row for each shock.",
    (
        _SHOCK,
        ResultColumn("defaults", "int64", "how many nodes default"),
        ResultColumn("rounds", "int64", "rounds until nobody else defaults"),
        ResultColumn("unpaid", "float", "what is owed and not paid in all, currency"),
        ResultColumn("error_bound", "float", "no payment is farther from the exact one, currency"),
    ),
    coordinates=False,
)
VALUATION: Final = ResultSchema(
    "valuation",
    "A network valued: a row for each shock and node.",
    (
        _SHOCK,
        ResultColumn("node", "string", "a node"),
        ResultColumn("external_assets", "float", "the shock: what it holds beside its claims, currency"),
        ResultColumn("equity", "float", "external assets and worth of claims less debts, currency"),
        ResultColumn(
            "worth", "float", "of all that it owes, as a share of the face value; 1 where it owes nothing"
        ),
        ResultColumn("insolvent", "boolean", "whether its equity is below 0"),
    ),
    coordinates=False,
)

VALUATION_SUMMARY: Final = ResultSchema(
    "valuation_summary",
    "A network valued: a row for each shock.",
    (
        _SHOCK,
        ResultColumn("insolvent", "int64", "how many nodes have an equity below 0"),
        ResultColumn("written_down", "float", "face value of all debts less their worth, currency"),
        ResultColumn("equity", "float", "of all nodes, currency"),
        ResultColumn("error_bound", "float", "no equity is farther from the exact one, currency"),
        ResultColumn("updates", "int64", "updates of all equities until that was shown"),
    ),
    coordinates=False,
)

CASCADE_FAILURES: Final = ResultSchema(
    "cascade_failures",
    "A cascade: a row for each failure, by shock, round and node.",
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
    "cascade_summary",
    "A cascade: a row for each shock.",
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

DEBTRANK: Final = ResultSchema(
    "debtrank",
    "DebtRank: a row for each shock and node that it distresses.",
    (
        _SHOCK,
        ResultColumn("node", "string", "a node"),
        ResultColumn("initial", "float", "share of its equity that it loses by the shock itself"),
        ResultColumn("distress", "float", "share of its equity that it has lost in the end"),
    ),
    coordinates=False,
)

DEBTRANK_SUMMARY: Final = ResultSchema(
    "debtrank_summary",
    "DebtRank: a row for each shock.",
    (
        _SHOCK,
        ResultColumn("impact", "float", "share of economic value that contagion distresses: the DebtRank"),
        ResultColumn("aggregate_vulnerability", "float", "share of all equity that contagion takes"),
        ResultColumn("failures", "int64", "nodes that have lost all of their equity"),
    ),
    coordinates=False,
)

FIRE_SALES: Final = ResultSchema(
    "fire_sales",
    "Fire sales of common assets: a row for each shock and holder.",
    (
        _SHOCK,
        ResultColumn("holder", "string", "a holder"),
        ResultColumn("direct_vulnerability", "float", "share of its equity that the shock itself takes"),
        ResultColumn("indirect_vulnerability", "float", "share of its equity that everybody's sales take"),
        ResultColumn("systemicness", "float", "share of all equity that its sales take"),
    ),
    coordinates=False,
)

FIRE_SALES_SUMMARY: Final = ResultSchema(
    "fire_sales_summary",
    "Fire sales of common assets: a row for each shock.",
    (
        _SHOCK,
        ResultColumn("sold", "float", "all sales, currency"),
        ResultColumn("aggregate_vulnerability", "float", "share of all equity that the sales take"),
        ResultColumn("failures", "int64", "holders that have lost all of their equity"),
    ),
    coordinates=False,
)

NETWORK_SCHEMAS: Final = (
    CLEARING,
    CLEARING_SUMMARY,
    VALUATION,
    VALUATION_SUMMARY,
    CASCADE_FAILURES,
    CASCADE_SUMMARY,
    DEBTRANK,
    DEBTRANK_SUMMARY,
    FIRE_SALES,
    FIRE_SALES_SUMMARY,
)
