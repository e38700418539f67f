"""The point of a set that is nearest to the origin, where all that can be asked of a point is whether it is in the set.

The radius of a ray is where it first meets the set. Around a point of the boundary the gradient of the radius gives the
boundary's normal, and the nearest point lies along the normal of its own tangent plane: the iteration of Hasofer and
Lind (1974) and Rackwitz and Fiessler (1978), which here needs no function that is smooth, or has a value, in the set.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Holds = Callable[[NDArray[np.float64]], NDArray[np.bool_]]

SECTIONS: Final = 24  # radii that are looked at first, evenly over a ray
COARSE: Final = 8  # halvings after that, to tell which ray is the nearest
FINE: Final = 40  # the same, for a distance that is told
STARTS: Final = 4  # rays from which the nearest point is sought
ALIKE: Final = 0.8  # cosine of two rays of which only the nearer is a start
MOST_STEPS: Final = 40
GAIN: Final = 1e-5  # of the distance: a step that gains less is the last
SAME: Final = 0.999  # cosine with the nearest point so far, at which a further start has come to the same
WAYS: Final = 2.0 ** -np.arange(8.0)  # of the way to the normal, of which a step takes the best
TILT: Final = 0.01  # by which a ray is moved along each axis for the gradient of its radius
REACH: Final = 0.2  # of the radius: farther a ray that was moved so is not followed
HALVINGS: Final = 18  # of that
TOGETHER: Final = 256  # points that cost hardly more than one, so that few rays are cut into more than halves
MOST_PARTS: Final = 32


@dataclass(frozen=True, eq=False)
class Nearest:
    """The nearest point that was found, and the way to it.

    Attributes
    ----------
    point : ndarray (n,) or None
        None where no ray met the set.
    distance : float
        Its norm; infinite without a point.
    steps : tuple of (int, int, float)
        Start, step of it, distance there.
    """

    point: NDArray[np.float64] | None
    distance: float
    steps: tuple[tuple[int, int, float], ...]


def nearest_point(holds: Holds, rays: NDArray[np.float64], far: float) -> Nearest:
    """The point nearest to the origin, which lies outside.

    Parameters
    ----------
    holds : function of ndarray (points, n) to ndarray (points,) of bool
        Whether points lie in the set.
    rays : ndarray (R, n)
        Directions of length 1 that are tried first; the search starts from the nearest of them.
    far : float
        How far they are followed.
    """
    radii = first_radii(holds, rays, np.full(len(rays), far), COARSE)
    found, steps = Nearest(None, math.inf, ()), []
    for number, start in enumerate(_starts(rays, radii)):
        ray = rays[start]
        radius = float(first_radii(holds, ray[None], radii[start : start + 1], FINE)[0])
        steps.append((number, 0, radius))
        for step in range(1, MOST_STEPS + 1):
            nearer, distance = _step(holds, ray, radius)
            if distance >= radius * (1.0 - GAIN):
                break
            ray, radius = nearer, distance
            steps.append((number, step, radius))
            if found.point is not None and ray @ found.point >= SAME * found.distance:
                break
        if radius < found.distance:
            found = Nearest(ray * radius, radius, ())
    return Nearest(found.point, found.distance, tuple(steps))


def first_radii(
    holds: Holds, rays: NDArray[np.float64], far: NDArray[np.float64], halvings: int
) -> NDArray[np.float64]:
    """Where rays first meet the set, shape (R,): at most `far` (R,), infinite where they do not."""
    radii = far[:, None] * (np.arange(1, SECTIONS + 1) / SECTIONS)
    points = (radii[:, :, None] * rays[:, None]).reshape(-1, rays.shape[1])
    held = holds(points).reshape(radii.shape)
    met, first = np.flatnonzero(held.any(axis=1)), held.argmax(axis=1)
    found = np.full(len(rays), math.inf)
    if len(met):
        high = radii[met, first[met]]
        found[met] = _narrowed(holds, rays[met], high - far[met] / SECTIONS, high, halvings)
    return found


def _narrowed(
    holds: Holds,
    rays: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    halvings: int,
) -> NDArray[np.float64]:
    """Where the set begins between two radii of each ray; one of both where it does not begin between them."""
    parts = min(MOST_PARTS, max(2, TOGETHER // len(rays)))
    for _ in range(math.ceil(halvings / math.log2(parts))):
        inner = low[:, None] + (high - low)[:, None] * (np.arange(1, parts) / parts)
        held = holds((inner[:, :, None] * rays[:, None]).reshape(-1, rays.shape[1])).reshape(inner.shape)
        bounds = np.column_stack([low, inner, high])
        first = np.where(held.any(axis=1), held.argmax(axis=1), parts - 1)
        low, high = np.take_along_axis(bounds, first[:, None] + [0, 1], axis=1).T
    return high


def _starts(rays: NDArray[np.float64], radii: NDArray[np.float64]) -> list[int]:
    """The nearest rays that are not much alike."""
    starts: list[int] = []
    for place in np.argsort(radii, kind="stable"):
        if len(starts) == STARTS or not math.isfinite(radii[place]):
            break
        if not starts or float((rays[starts] @ rays[place]).max()) < ALIKE:
            starts.append(int(place))
    return starts


def _step(holds: Holds, ray: NDArray[np.float64], radius: float) -> tuple[NDArray[np.float64], float]:
    """The best ray on the way to the boundary's normal, and its radius; an infinite one where none is nearer."""
    moved = TILT * np.concatenate([np.eye(len(ray)), -np.eye(len(ray))])
    count = np.full(len(moved), radius)
    ends = _narrowed(holds, ray + moved, count * (1.0 - REACH), count * (1.0 + REACH), HALVINGS)
    up, down = ends.reshape(2, -1)
    normal = down - up  # the radius falls where the boundary is nearer
    length = float(np.linalg.norm(normal))
    if length == 0.0:
        return ray, math.inf
    rays = (1.0 - WAYS[:, None]) * ray + WAYS[:, None] * (normal / length)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    radii = first_radii(holds, rays, np.full(len(rays), radius), FINE)
    best = int(np.argmin(radii))
    return rays[best], float(radii[best])
