"""How the draws of a run's paths are made: what the contract on draws says, or a change of it that reduces variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, eq=False)
class Drawing:
    """What a backend is told of it.

    Attributes
    ----------
    antithetic : bool
        Paths 2q and 2q + 1 have the draws of path q, the second of them with 1 - u for every u.
    """

    antithetic: bool = False


AS_CONTRACTED: Final = Drawing()
