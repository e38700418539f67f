"""Step 2: credit events and imposed failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ... import draws
from ...points import PLAIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...program import Program
    from ..base import Block
    from .margins import Margins
    from .tilting import Tilting


def thresholds(program: Program, block: Block) -> NDArray[np.float64]:
    """E of every entity, shape (N, P); infinite where no scenario gives it a hazard."""
    limits = np.full((program.entity_count, block.paths), np.inf)
    for i in np.flatnonzero((program.hazard > 0.0).any(axis=0)):
        points = block.drawing.points
        if points is not None and points.credit_dimension[i] != PLAIN:
            drawn = points.words(int(points.credit_dimension[i]), block.first_path, block.paths)
            limits[i] = -np.log(draws.uniform(drawn))
            continue
        limits[i] = draws.credit_thresholds(
            block.seed, int(program.entity_ids[i]), block.first_path, block.paths, block.drawing.antithetic
        )
    return limits


def gather(
    program: Program, scenario: int, gathered: NDArray[np.float64], power: NDArray[np.float64]
) -> NDArray[np.float64]:
    """H(t) = H(t-1) + h * prod_k (X_k / initial_k)^gamma_k * D, shape (N, P); `power` is the product."""
    added: NDArray[np.float64] = program.hazard[scenario][:, None] * power * program.period_years
    added[program.hazard[scenario] == 0.0] = 0.0  # also where the power overflows
    return gathered + added


def events(
    program: Program,
    scenario: int,
    t: int,
    gathered: NDArray[np.float64],
    limits: NDArray[np.float64],
    alive: NDArray[np.bool_],
    margins: Margins | None,
    tilting: Tilting | None = None,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Who of the living is hit in this period: by a scenario's `fail_at`, else by credit; two masks (N, P)."""
    imposed = alive & (program.fail_at[scenario] == t)[:, None]
    exposed = alive & ~imposed & (program.hazard[scenario] > 0.0)[:, None]
    if margins is not None:
        margins.note(gathered, limits, exposed)
    hit = exposed & (gathered >= limits)
    if tilting is not None:
        tilting.look(gathered, exposed, hit)
    return imposed, hit
