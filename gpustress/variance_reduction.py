"""Ways to draw paths that give more precise estimates for the same work: what `variance_reduction=` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .drawing import Drawing
from .errors import bad_argument
from .path_sample import PathSample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .result import Result


@dataclass(frozen=True)
class Antithetic:
    """Paths in pairs: each path has a twin with 1 - u for every u, so that what one has too much the other lacks.

    Good for means of what rises or falls with the shocks. Of a pair's two paths each has the distribution of any path.

    Sources: Hammersley and Morton, "A new Monte Carlo technique: antithetic variates", Mathematical Proceedings of the
    Cambridge Philosophical Society 52 (1956).
    """

    scheme: ClassVar[str] = "antithetic"

    def check_paths(self, paths: int) -> None:
        """Refuse a number of paths that leaves one without its twin."""
        if paths % 2:
            raise bad_argument("paths", paths, "leaves an antithetic path without its twin",
                               f"Give {paths - 1:,} or {paths + 1:,}." if paths > 1 else "Give 2.")  # fmt: skip

    def drawing(self) -> Drawing:
        """How its paths are drawn."""
        return Drawing(antithetic=True)

    def sample(self, paths: int, weights: NDArray[np.float64] | None) -> PathSample:
        """What its paths are as a sample."""
        return PathSample(paths, together=2, weights=weights)

    def as_data(self) -> dict[str, Any]:
        """As a manifest has it."""
        return {"scheme": self.scheme}


VarianceReduction = Antithetic
SCHEMES: Final = {one.scheme: one for one in (Antithetic,)}


def read_variance_reduction(value: object) -> VarianceReduction | None:
    """What was given as `variance_reduction=`.

    Raises
    ------
    InputError
        It is neither None nor a way that there is.
    """
    if value is None or isinstance(value, VarianceReduction):
        return value
    if isinstance(value, str) and value in SCHEMES:
        return SCHEMES[value]()
    raise bad_argument("variance_reduction", value, "is no way to reduce variance",
                       f"Give None or one of {', '.join(SCHEMES)}.")  # fmt: skip


def from_data(data: dict[str, Any] | None) -> VarianceReduction | None:
    """What `as_data` gave."""
    return (
        None if data is None else SCHEMES[data["scheme"]](**{k: v for k, v in data.items() if k != "scheme"})
    )


def check_plain(run: Result, what: str) -> None:
    """Refuse a run whose paths are not independent, or do not weigh the same, for what counts on both.

    Raises
    ------
    InputError
    """
    if run.variance_reduction is not None:
        raise bad_argument(
            "variance_reduction", run.variance_reduction.scheme, f"{what} needs independent paths of the same weight",
            "Simulate without variance_reduction.",
        )  # fmt: skip


def check_same_weight(run: Result, what: str) -> None:
    """Refuse a run whose paths weigh differently.

    Raises
    ------
    InputError
    """
    if run.weights is not None:
        assert run.variance_reduction is not None
        raise bad_argument(
            "variance_reduction", run.variance_reduction.scheme, f"{what} needs paths of the same weight",
            "Simulate without variance_reduction, or with antithetic or quasi.",
        )  # fmt: skip
