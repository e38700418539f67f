"""The columns of the tables from which a network is reconstructed."""

from __future__ import annotations

from typing import Final

from ..schema import Column, Schema
from .schema import EDGES, LARGEST, NODES

TOTALS: Final = Schema(
    "totals",
    "What each node owes all others and is owed by them.",
    (
        NODES.by_name["name"],
        Column("owed", "float", "what it owes the other nodes, currency", minimum=0.0, maximum=LARGEST),
        Column("due", "float", "what the other nodes owe it, currency", minimum=0.0, maximum=LARGEST),
        *(NODES.by_name[name] for name in ("external_assets", "external_liabilities", "equity", "source")),
    ),
    key=("name",),
    required=True,
)

FORBIDDEN: Final = Schema(
    "forbidden",
    "Pairs of which the debtor is known to owe the creditor nothing.",
    (EDGES.by_name["debtor"], EDGES.by_name["creditor"], EDGES.by_name["source"]),
)

RECONSTRUCTION_SCHEMAS: Final = (TOTALS, FORBIDDEN)
