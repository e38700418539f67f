"""The columns of the tables that make a network: the same one truth for it as schema.py is for a system."""

from __future__ import annotations

from typing import Final

from ..schema import REQUIRED, Column, Schema

LARGEST: Final = 1e100  # of an amount, so that no sum and no product overflows


def _amount(name: str, doc: str, default: object = REQUIRED) -> Column:
    return Column(name, "float", doc, default, minimum=0.0, maximum=LARGEST)


def _rank(name: str, doc: str) -> Column:
    return Column(name, "integer", doc, 0, minimum=0)


_SOURCE = Column("source", "string", "where the row's figures come from; an assumption says so", "")

EDGES: Final = Schema(
    "edges",
    "Who owes whom. Rows of the same debtor, creditor and rank are added up, with a warning.",
    (
        Column("debtor", "string", "a node", refers="node"),
        Column("creditor", "string", "another node", refers="node"),
        _amount("amount", "currency; a row of 0 is left out"),
        _rank("rank", "seniority: a debtor pays its lower ranks first"),
        _SOURCE,
    ),
    required=True,
)

NODES: Final = Schema(
    "nodes",
    "The legal persons of the network.",
    (
        Column("name", "string", "unique among nodes", identifier=True),
        _amount("external_assets", "what it holds beside its claims on other nodes, currency", 0.0),
        _amount(
            "external_liabilities", "what it owes beside its debts to other nodes, currency", default=0.0
        ),
        Column(
            "equity",
            "float",
            "book equity, currency",
            None,
            minimum=-LARGEST,
            maximum=LARGEST,
            shown_default="assets less liabilities",
        ),
        _rank("external_rank", "seniority of the external liabilities among the ranks of its edges"),
        _SOURCE,
    ),
    key=("name",),
    required=True,
)

NETWORK_SCHEMAS: Final[dict[str, Schema]] = {schema.name: schema for schema in (EDGES, NODES)}
