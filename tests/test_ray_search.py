"""The nearest point of a set that only tells whether it holds a point: flat, curved, several, cornered, empty."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from gpustress.answers.ray_search import Nearest, first_radii, nearest_point

Points = NDArray[np.float64]


def axes(n: int) -> Points:
    return np.concatenate([np.eye(n), -np.eye(n)])


def search(holds, n: int, far: float = 10.0) -> Nearest:
    found = nearest_point(holds, axes(n), far)
    if found.point is not None:
        assert np.linalg.norm(found.point) == pytest.approx(found.distance)
        assert holds(found.point[None])[0]
    return found


@pytest.mark.parametrize("n", [1, 3, 60])
def test_of_a_half_space_it_is_the_foot_of_the_perpendicular(n: int) -> None:
    normal = np.random.default_rng(n).normal(size=n)
    normal /= np.linalg.norm(normal)
    found = search(lambda x: x @ normal >= 1.5, n, far=50.0)
    assert found.distance == pytest.approx(1.5, rel=1e-4)
    assert found.point == pytest.approx(1.5 * normal, abs=0.02)


def test_of_a_ball_it_is_the_near_side() -> None:
    """Curved towards the origin, and met only for a while on a ray: the first radius counts."""
    centre = np.array([2.0, -1.0, 2.0])
    found = search(lambda x: np.linalg.norm(x - centre, axis=1) <= 2.5, 3)
    assert found.distance == pytest.approx(0.5, rel=1e-4)


def test_of_the_outside_of_a_ball_it_is_the_shortest_way_out() -> None:
    centre = np.array([1.0, 0.5, 0.0])
    found = search(lambda x: np.linalg.norm(x - centre, axis=1) >= 4.0, 3)
    assert found.distance == pytest.approx(4.0 - math.sqrt(1.25), rel=1e-4)


def test_of_two_sets_the_nearer_is_taken_wherever_the_first_rays_meet_them() -> None:
    """The first rays meet the farther set sooner."""
    near = np.full(4, 0.5)

    def holds(x: Points) -> NDArray[np.bool_]:
        return (x @ near >= 2.0) | (x[:, 0] <= -2.5)

    found = search(holds, 4)
    assert min(first_radii(holds, axes(4), np.full(8, 10.0), 30)) == pytest.approx(2.5)
    assert found.distance == pytest.approx(2.0, rel=1e-4)


def test_in_a_corner_of_two_conditions_it_ends_near_the_corner() -> None:
    """No normal leads into a corner; the halved steps come near it."""
    found = search(lambda x: (x[:, 0] + 0.3 * x[:, 1] >= 1.0) & (x[:, 1] + 0.3 * x[:, 0] >= 1.0), 2)
    corner = math.sqrt(2.0) / 1.3
    assert corner <= found.distance <= 1.01 * corner


def test_a_set_that_no_ray_meets_has_no_point() -> None:
    found = search(lambda x: x[:, 0] >= 20.0, 3)
    assert (found.point, found.distance, found.steps) == (None, math.inf, ())


def test_the_way_is_told_and_never_leads_back() -> None:
    found = search(lambda x: x.sum(axis=1) >= 2.0, 3)
    starts = sorted({start for start, _, _ in found.steps})
    for start in starts:
        steps = [(step, distance) for one, step, distance in found.steps if one == start]
        assert [step for step, _ in steps] == list(range(len(steps)))
        assert all(after < before for (_, before), (_, after) in pairwise(steps))
    assert min(distance for _, _, distance in found.steps) == found.distance
