"""The columns of the tables for contagion through common assets."""

from __future__ import annotations

from typing import Final

from ..schema import Column, Schema
from .schema import LARGEST, NODES

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

COMMON_ASSETS_SCHEMAS: Final = (HOLDERS, ASSETS, HOLDINGS)
