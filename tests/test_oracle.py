"""Every backend against tests/oracle.py, a second, scalar reading of the model, on random systems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import clearing
import strategies
from agreement import Case, Tally, disagreements
from build import Tables, examples

MOST_EXCUSED = 1e-4  # of all decisions
SEEDS = st.integers(0, 2**64 - 1)
Drawn = tuple[dict[str, Any], Tables]


def tallied(backend: str, count: int, cases: st.SearchStrategy[Case]) -> Tally:
    """Compare `count` cases; what was compared."""
    tally = Tally()

    @examples(count)
    @given(case=cases)
    def agree(case: Case) -> None:
        wrong = disagreements(case, case.run(backend=backend), case.expected(), tally)
        assert not wrong, "\n".join(wrong[:10])

    agree()
    assert tally.excused < MOST_EXCUSED * tally.decisions
    return tally


def cases(
    systems: st.SearchStrategy[Drawn], effects: str | tuple[str, ...], paths: int = 3
) -> st.SearchStrategy[Case]:
    return st.builds(lambda system, seed: Case(*system, effects, seed, paths), systems, SEEDS)


@pytest.mark.parametrize(("effects", "count"), [("full", 150), ("first_round", 60), ("none", 30)])
def test_backend_agrees_with_the_oracle(backend: str, effects: str, count: int) -> None:
    """Amounts, failures, causes, paybacks, all time series; a scenario's own effects win over the run's."""
    tally = tallied(backend, count, cases(strategies.systems(), effects))
    assert tally.decisions > 10 * count
    assert effects != "full" or (tally.causes > 0).all(), "the systems are too tame to tell"


def test_backend_agrees_with_the_oracle_on_several_effects_at_once(backend: str) -> None:
    tallied(backend, 30, cases(strategies.systems(), strategies.EFFECTS))


def test_backend_agrees_with_the_oracle_on_factor_paths_of_ones_own(backend: str) -> None:
    @st.composite
    def with_factor_paths(draw: Callable[..., Any]) -> Case:
        settings, tables = draw(strategies.systems())
        return Case(
            settings,
            tables,
            "full",
            draw(SEEDS),
            2,
            draw(strategies.factor_tables(settings, tables, paths=2)),
        )

    tallied(backend, 40, with_factor_paths())


def test_backend_agrees_with_the_oracle_on_rings_of_the_short(backend: str) -> None:
    """Settlements that take hundreds of updates, or the exact finish; in period 1 most have stopped."""

    def settings(network: clearing.Network) -> dict[str, Any]:
        return {
            "name": "ring",
            "periods": 2,
            "periods_per_year": 1.0,
            "discount_rate": 0.1,
            "default_costs": network.costs,
        }

    networks = clearing.networks(max_entities=8).map(lambda network: (settings(network), network.tables()))
    tally = tallied(backend, 60, cases(networks, "full", paths=1))
    assert tally.exact_finishes > 10
