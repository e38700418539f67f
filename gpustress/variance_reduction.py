"""Ways to draw paths that give more precise estimates for the same work: what `variance_reduction=` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from .arguments import whole_number
from .drawing import MIXTURE, Drawing
from .errors import bad_argument, nearest
from .path_sample import PathSample
from .pilot import find_tilt
from .points import MOST_POINT_BITS, make_points
from .schema import CAUSES
from .tables import floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .backends.base import Backend
    from .job import Job
    from .result import Result

MOST_SCRAMBLES: Final = 1024
LEAST_PILOT, MOST_PILOT = 64, 1 << 20
CAUSES_TO_SEEK: Final = ("credit", "liquidity", "solvency")


@dataclass(frozen=True)
class Antithetic:
    """Paths in pairs: each path has a twin with 1 - u for every u, so that what one has too much the other lacks.

    Good for means of what rises or falls with the shocks. Of a pair's two paths each has the distribution of any path.

    Sources: Hammersley and Morton, "A new Monte Carlo technique: antithetic variates", Mathematical Proceedings of the
    Cambridge Philosophical Society 52 (1956).
    """

    scheme: ClassVar[str] = "antithetic"
    default_paths: ClassVar[int] = 10_000

    def check_paths(self, paths: int) -> None:
        """Refuse a number of paths that leaves one without its twin."""
        if paths % 2:
            raise bad_argument("paths", paths, "leaves an antithetic path without its twin",
                               f"Give {paths - 1:,} or {paths + 1:,}." if paths > 1 else "Give 2.")  # fmt: skip

    def drawing(self, job: Job, seed: int, paths: int, backend: Backend) -> Drawing:
        """How its paths are drawn."""
        return Drawing(antithetic=True)

    def sample(self, paths: int, weights: NDArray[np.float64] | None) -> PathSample:
        """What its paths are as a sample."""
        return PathSample(paths, together=2, weights=weights)

    def as_data(self) -> dict[str, Any]:
        """As a manifest has it."""
        return {"scheme": self.scheme}


@dataclass(frozen=True)
class QuasiMonteCarlo:
    """Paths from scrambled Sobol points, which lie more evenly than random ones: several scrambles give the error.

    Good for means of what follows the shocks smoothly. Path p is a point of scramble p % scrambles; the estimates of
    the scrambles are independent. The points depend on the horizon and on the order of factors and entities, so that
    other systems and horizons are not compared on common draws. Jumps are plain draws.

    Parameters
    ----------
    scrambles : int
        R, a power of two from 2 to 1024. Paths have to be R times a power of two.

    Sources
    -------
    See `gpustress.points`. Errors from independent randomisations: Cranley and Patterson, SIAM Journal on Numerical
    Analysis 13 (1976).
    """

    scrambles: int = 16

    scheme: ClassVar[str] = "quasi"
    default_paths: ClassVar[int] = 1 << 14

    def __post_init__(self) -> None:
        """Check the number of scrambles."""
        number = whole_number(self.scrambles)
        if number is None or not 2 <= number <= MOST_SCRAMBLES or number & (number - 1):
            remedy = f"Give a power of two from 2 to {MOST_SCRAMBLES}."
            raise bad_argument("scrambles", self.scrambles, "is no number of scrambles", remedy)
        object.__setattr__(self, "scrambles", number)  # Python's, as a manifest has it

    def check_paths(self, paths: int) -> None:
        """Refuse what is not a power of two for every scramble: only such numbers of points lie evenly."""
        points = paths // self.scrambles
        if (
            points * self.scrambles == paths
            and points & (points - 1) == 0
            and 0 < points <= 1 << MOST_POINT_BITS
        ):
            return
        below = min(max(points, 1).bit_length() - 1, MOST_POINT_BITS)
        fitting = [self.scrambles << bits for bits in (below, below + 1) if bits <= MOST_POINT_BITS]
        remedy = f"Give {' or '.join(f'{number:,}' for number in fitting)}, or another number of scrambles."
        raise bad_argument(
            "paths",
            paths,
            f"is not {self.scrambles} scrambles times a power of two, up to 2^{MOST_POINT_BITS}",
            remedy,
        )

    def drawing(self, job: Job, seed: int, paths: int, backend: Backend) -> Drawing:
        """How its paths are drawn."""
        factors, entities = job.system.factors, job.system.entities
        moves = np.array([process != "constant" for process in factors["process"].to_pylist()], dtype=bool)
        hazardous = np.asarray(floats(entities, "hazard") > 0.0)
        points = -(-paths // self.scrambles)
        if points > 1 << MOST_POINT_BITS:  # of a replay, whose path any other run might have
            most = self.scrambles << MOST_POINT_BITS
            raise bad_argument("path", paths - 1, f"is no path of {self.scrambles} scrambles",
                               f"Give the number of a path, from 0 to {most - 1:,}.")  # fmt: skip
        return Drawing(
            points=make_points(seed, self.scrambles, points, moves, hazardous, job.program.periods)
        )

    def sample(self, paths: int, weights: NDArray[np.float64] | None) -> PathSample:
        """What its paths are as a sample."""
        return PathSample(paths, scrambles=self.scrambles, weights=weights)

    def as_data(self) -> dict[str, Any]:
        """As a manifest has it."""
        return {"scheme": self.scheme, "scrambles": self.scrambles}


@dataclass(frozen=True)
class ImportanceSampling:
    """Paths on which a rare failure is likely, each with the weight that makes estimates right again.

    A pilot run finds, scenario by scenario, how the normals of the factors drift and the credit thresholds are twisted
    (`gpustress.pilot`). Of eight paths one is drawn as ever, so that no path weighs more than eight and no estimate is
    spoiled; but what has nothing to do with the failure is better estimated without, and so is a failure of another
    cause that is as rare: errors of the two together are too small (docs/variance.md).

    Parameters
    ----------
    failure : str
        The entity whose failure is rare.
    cause : {"credit", "liquidity", "solvency"}, optional
        Of the failure; by default any: name it where there are several.
    pilot_paths : int
        Paths of one of the pilot's levels, of which there are at most eight; a multiple of 8.

    Sources
    -------
    See `gpustress.pilot`. The mixture: Hesterberg, "Weighted average importance sampling and defensive mixture
    distributions", Technometrics 37 (1995).
    """

    failure: str
    cause: str | None = None
    pilot_paths: int = 2048

    scheme: ClassVar[str] = "importance"
    default_paths: ClassVar[int] = 10_000

    def __post_init__(self) -> None:
        """Check what does not depend on a system."""
        number = whole_number(self.pilot_paths)
        if number is None or not LEAST_PILOT <= number <= MOST_PILOT or number % MIXTURE:
            remedy = f"Give a multiple of {MIXTURE} from {LEAST_PILOT} to {MOST_PILOT:,}."
            raise bad_argument(
                "pilot_paths", self.pilot_paths, "is no number of paths for a pilot run", remedy
            )
        object.__setattr__(self, "pilot_paths", number)  # Python's, as a manifest has it
        if not isinstance(self.failure, str):
            raise bad_argument("failure", self.failure, "is no name of an entity", "Give one name as text.")
        if self.cause is not None and (not isinstance(self.cause, str) or self.cause not in CAUSES_TO_SEEK):
            raise bad_argument(
                "cause", self.cause, "is no cause that may be rare", nearest(str(self.cause), CAUSES_TO_SEEK)
            )

    def check_paths(self, paths: int) -> None:
        """Refuse a number of paths that leaves a group of the mixture unfinished."""
        if paths % MIXTURE:
            below = paths // MIXTURE * MIXTURE
            remedy = f"Give {below:,} or {below + MIXTURE:,}." if below else f"Give {MIXTURE}."
            raise bad_argument("paths", paths, f"is no multiple of {MIXTURE}, a group of the mixture", remedy)

    def drawing(self, job: Job, seed: int, paths: int, backend: Backend) -> Drawing:
        """How its paths are drawn: this runs the pilot."""
        names = job.system.entity_names
        if self.failure not in names:
            raise bad_argument("failure", self.failure, "names no entity", nearest(str(self.failure), names))
        if job.factors.paths is not None:
            raise bad_argument("factors", "a table", "gives factor paths of one's own, of which a pilot run has none",
                               "Simulate without them, or without importance sampling.")  # fmt: skip
        cause = None if self.cause is None else CAUSES.index(self.cause)
        entity = names.index(self.failure)
        return Drawing(tilt=find_tilt(job.program, seed, entity, cause, self.pilot_paths, backend))

    def sample(self, paths: int, weights: NDArray[np.float64] | None) -> PathSample:
        """What its paths are as a sample."""
        return PathSample(paths, together=MIXTURE, weights=weights)

    def as_data(self) -> dict[str, Any]:
        """As a manifest has it."""
        return {
            "scheme": self.scheme,
            "failure": self.failure,
            "cause": self.cause,
            "pilot_paths": self.pilot_paths,
        }


VarianceReduction = Antithetic | QuasiMonteCarlo | ImportanceSampling
SCHEMES: Final = {one.scheme: one for one in (Antithetic, QuasiMonteCarlo, ImportanceSampling)}


def read_variance_reduction(value: object) -> VarianceReduction | None:
    """What was given as `variance_reduction=`.

    Raises
    ------
    InputError
        It is neither None nor a way that there is.
    """
    if value is None or isinstance(value, VarianceReduction):
        return value
    name, _, failure = value.partition(":") if isinstance(value, str) else ("", "", "")
    if name == ImportanceSampling.scheme and failure:
        return ImportanceSampling(failure)
    if name == Antithetic.scheme and value == name:
        return Antithetic()
    if name == QuasiMonteCarlo.scheme and value == name:
        return QuasiMonteCarlo()
    raise bad_argument("variance_reduction", value, "is no way to reduce variance",
                       "Give None, antithetic, quasi or importance:ENTITY.")  # fmt: skip


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
