"""Small systems worked out by hand: who pays what, who fails when and why, and what is left in the books."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gpustress as gs
from build import Row, by_item, cash, entity, flow, paid, pass_through, scenario, small
from gpustress import Replay, System


def replay(backend: str, made: System, effects: str = "full") -> Replay:
    return gs.replay(made, path=0, backend=backend, effects=effects)


def events(happened: Replay) -> dict[str, tuple[int, str]]:
    """Period and cause by entity."""
    return {row["entity"]: (row["period"], row["cause"]) for row in happened.events.to_pylist()}


def ratios(happened: Replay, rank: str) -> dict[str, list[float]]:
    return by_item(happened.entities, f"ratio_{rank}")


def estate(happened: Replay) -> list[float]:
    return happened.estate["estate"].to_pylist()


def fails(name: str, period: int) -> list[Row]:
    """A scenario that makes an entity fail."""
    return scenario("fails", (f"entity.{name}.fail_at", "set", float(period)))


def about(values: Any) -> Any:
    return pytest.approx(values, rel=1e-12, abs=1e-12)


# ----------------------------------------------------------------------------- settlement


def test_three_banks_clear_as_in_elsinger_lehar_and_summer(backend: str) -> None:
    """Elsinger, Lehar and Summer, "Risk assessment for banking systems", Management Science 52(9), 2006.

    Each has 1; bank 1 owes 2 to bank 3, bank 2 owes 3 to bank 1 and 1 to bank 3, bank 3 owes 3 to bank 1 and
    1 to bank 2. Bank 1 can pay. So p2 = 1 + p3 / 4 and p3 = 1 + 2 + p2 / 4: p2 = 28/15 and p3 = 52/15. By
    theorem 2 of Eisenberg and Noe (2001) there is no other solution.
    """
    made = small(
        entities=[entity("1", 1.0), entity("2", 1.0), entity("3", 1.0)],
        flows=[
            flow("13", "1", "3", 2.0, "interest"),
            flow("21", "2", "1", 3.0, "interest"),
            flow("23", "2", "3", 1.0, "interest"),
            flow("31", "3", "1", 3.0, "interest"),
            flow("32", "3", "2", 1.0, "interest"),
        ],
    )
    happened = replay(backend, made)
    assert ratios(happened, "debt") == {"1": [1.0], "2": about([28 / 15 / 4]), "3": about([52 / 15 / 4])}
    assert events(happened) == {"2": (0, "liquidity"), "3": (0, "liquidity")}
    assert cash(happened)["1"] == about([1 + 28 / 15 * 3 / 4 + 52 / 15 * 3 / 4 - 2])


def test_default_costs_are_taken_from_own_funds_and_receipts_apart(backend: str) -> None:
    """Rogers and Veraart (2013), with alpha 0.5 and beta 0.8: a has 0.5 * 10 + 0.8 * 20 = 21 for 40.

    b gets 21 for its 25, of which 0.8 are left: 16.8. The costs, 9 and 4.2, go to the estate.
    """
    made = small(
        default_costs=(0.5, 0.8), entities=[entity("a", 10.0), entity("b", 0.0), entity("c", 1.0)],
        flows=[flow("in", None, "a", 20.0), flow("ab", "a", "b", 40.0), flow("bc", "b", "c", 25.0)],
    )  # fmt: skip
    happened = replay(backend, made)
    assert paid(happened) == {"in": [20.0], "ab": about([21.0]), "bc": about([16.8])}
    assert estate(happened) == about([9.0 + 4.2])
    assert cash(happened) == {"a": [0.0], "b": [0.0], "c": about([17.8])}


def test_who_can_pay_bears_no_default_costs(backend: str) -> None:
    """Even if it can only just pay: at the threshold the funds jump."""
    flows = [flow("in", None, "a", 20.0), flow("out", "a", None, 30.0)]
    just = small(default_costs=(0.5, 0.5), entities=[entity("a", 10.0)], flows=flows)
    assert paid(replay(backend, just))["out"] == [30.0]
    short = small(default_costs=(0.5, 0.5), entities=[entity("a", 9.99)], flows=flows)
    assert paid(replay(backend, short))["out"] == about([0.5 * 29.99])


def test_ranks_are_paid_in_their_order(backend: str) -> None:
    """Elsinger (2009): 50 pay the 30 operating, half of the 40 of debt, and nothing that is discretionary.

    The rank, where one is given, counts, not the kind; among equals it is pro rata.
    """
    made = small(
        entities=[entity("a", 50.0)],
        flows=[
            flow("dividend", "a", None, 10.0, "dividend"),
            flow("interest", "a", None, 10.0, "interest"),
            flow("opex", "a", None, 20.0, "opex"),
            flow("capex", "a", None, 10.0, "capex", rank="operating"),
            flow("fee", "a", None, 30.0, "fee", rank="debt"),
        ],
    )
    happened = replay(backend, made)
    expected = {"opex": 20.0, "capex": 10.0, "interest": 5.0, "fee": 15.0, "dividend": 0.0}
    assert {name: amount for name, (amount,) in paid(happened).items()} == about(expected)
    assert events(happened) == {"a": (0, "liquidity")}


def test_a_reserve_is_kept_from_discretionary_payments_alone(backend: str) -> None:
    """Of 100, 20 are spent and 30 kept: 50 for the 80 of capex, no failure. Then the 30 go after all."""
    made = small(
        periods=3, entities=[entity("a", 100.0, reserve=30.0)],
        flows=[flow("opex", "a", None, 20.0, "opex"), flow("capex", "a", None, 80.0, "capex")],
    )  # fmt: skip
    happened = replay(backend, made)
    assert paid(happened) == {"opex": about([20.0, 20.0, 10.0]), "capex": about([50.0, 0.0, 0.0])}
    assert events(happened) == {"a": (2, "liquidity")}
    assert cash(happened)["a"] == about([30.0, 10.0, 0.0])


def test_a_credit_line_is_drawn_to_its_end_and_what_was_drawn_stays_unpaid(backend: str) -> None:
    """-20 less 25 and interest of 2 is -47. Then 3 are left for opex of 25; interest of 4.70 gets nothing."""
    made = small(
        periods=3, entities=[entity("a", -20.0, credit_line=50.0, line_rate=0.1, cash_rate=0.05)],
        flows=[flow("opex", "a", None, 25.0, "opex")],
    )  # fmt: skip
    happened = replay(backend, made)
    assert by_item(happened.entities, "line_interest")["a"] == about([2.0, 4.7, 0.0])
    assert paid(happened)["opex"] == about([25.0, 3.0, 0.0])
    assert ratios(happened, "debt")["a"][1] == 0.0
    assert cash(happened)["a"] == about([-47.0, 0.0, 0.0])
    assert estate(happened) == about([0.0, -50.0, 0.0])
    run = gs.simulate(made, paths=1, backend=backend)
    assert run.lowest_liquidity[0, 0, 0] == about(0.0)
    assert (run.failed_at[0, 0, 0], run.cause[0, 0, 0]) == (1, 2)


def test_deposits_earn_on_the_opening_balance(backend: str) -> None:
    made = small(
        periods=2, periods_per_year=2.0, entities=[entity("a", 100.0, cash_rate=0.1)],
        flows=[flow("opex", "a", None, 80.0, "opex")],
    )  # fmt: skip
    happened = replay(backend, made)
    assert by_item(happened.entities, "deposit_interest")["a"] == about([5.0, 3.25])
    assert cash(happened)["a"] == about([65.0, 28.25])


def test_who_can_pay_to_the_last_digit_is_not_short(backend: str) -> None:
    """0.1 + 0.2 is more than 0.3 in doubles, and 0.3 less than 0.1 + 0.2; neither makes a failure."""
    flows = [flow("x", "a", None, 0.1), flow("y", "a", None, 0.2), flow("z", "b", None, 0.3)]
    made = small(entities=[entity("a", 0.3), entity("b", 0.1)], flows=[*flows, flow("in", None, "b", 0.2)])
    happened = replay(backend, made)
    assert events(happened) == {}
    assert ratios(happened, "operating") == {"a": about([1.0]), "b": about([1.0])}


def test_lowest_liquidity_is_what_was_left_at_the_ends_of_periods(backend: str) -> None:
    made = small(
        periods=3, entities=[entity("a", 10.0, credit_line=5.0), entity("b", 10.0, credit_line=5.0)],
        flows=[flow("out", "a", None, 12.0, end=0), flow("in", None, "a", 8.0, start=1)],
        scenarios=fails("b", 2),
    )  # fmt: skip
    run = gs.simulate(made, paths=1, backend=backend)
    assert run.lowest_liquidity[0, 0].tolist() == [3.0, 0.0]
    assert run.final_cash[0, 0].tolist() == [14.0, 0.0]


# -------------------------------------------------------------------------- gates, re-letting


@pytest.mark.parametrize(
    ("lag", "price", "rents"),
    [(0, 0.5, [10.0, 10.0, 5.0, 5.0, 5.0]), (1, 0.5, [10.0, 10.0, 0.0, 5.0, 5.0]),
     (9, 0.5, [10.0, 10.0, 0.0, 0.0, 0.0]), (0, 0.0, [10.0, 10.0, 0.0, 0.0, 0.0])],
)  # fmt: skip
def test_capacity_is_relet_after_its_lag_at_its_price(
    backend: str, lag: int, price: float, rents: list[float]
) -> None:
    """The tenant stops in period 2, at once, as the event is imposed; what its rent drives falls with it."""
    made = small(
        periods=5, entities=[entity("tenant", 1e3), entity("owner", 0.0)],
        flows=[flow("rent", "tenant", "owner", 10.0, "rent", relet_lag=lag, relet_price=price),
               flow("power", "owner", None, 0.4, "power", driver="rent")],
        scenarios=fails("tenant", 2),
    )  # fmt: skip
    happened = replay(backend, made)
    assert paid(happened) == {"rent": about(rents), "power": about([0.4 * rent for rent in rents])}
    assert cash(happened)["owner"] == about(np.cumsum([0.6 * rent for rent in rents]).tolist())


def test_who_fails_for_want_of_cash_stops_one_period_later(backend: str) -> None:
    """It pays what it can in period 1, in which it fails; the lag counts from period 2, in which it stops."""
    made = small(
        periods=5, entities=[entity("tenant", 15.0), entity("owner", 0.0)],
        flows=[flow("rent", "tenant", "owner", 10.0, "rent", relet_lag=1, relet_price=0.5)],
    )  # fmt: skip
    happened = replay(backend, made)
    assert events(happened) == {"tenant": (1, "liquidity")}
    assert paid(happened)["rent"] == about([10.0, 5.0, 0.0, 5.0, 5.0])


def test_what_is_owed_to_the_stopped_goes_to_outside(backend: str) -> None:
    """The payment goes on, also once both have stopped, and counts in measures."""
    made = small(
        periods=4, entities=[entity("a", 100.0), entity("b", 1.0)],
        flows=[flow("rent", "a", "b", 10.0, "rent", relet_price=0.5)],
        scenarios=scenario("s", ("entity.b.fail_at", "set", 1.0), ("entity.a.fail_at", "set", 3.0)),
        measures=[{"measure": "m", "flow": "rent"}],
    )  # fmt: skip
    happened = replay(backend, made)
    assert by_item(happened.measures, "value")["m"] == about([10.0, 10.0, 10.0, 5.0])
    assert cash(happened) == {"a": about([90.0, 80.0, 70.0, 0.0]), "b": about([11.0, 0.0, 0.0, 0.0])}
    assert estate(happened) == about([0.0, 11.0, 0.0, 70.0])


@pytest.mark.parametrize("who", ["payer", "receiver", "tenant"])
def test_discretionary_spending_ends_when_anybody_in_it_stops(backend: str, who: str) -> None:
    made = small(
        periods=3, entities=[entity(name, 100.0) for name in ("payer", "receiver", "tenant")],
        flows=[flow("build", "payer", "receiver", 5.0, "capex", tenant="tenant", relet_price=0.9),
               flow("committed", "payer", "receiver", 5.0, "capex", rank="operating", tenant="tenant")],
        scenarios=fails(who, 1),
    )  # fmt: skip
    happened = replay(backend, made)
    assert paid(happened)["build"] == [5.0, 0.0, 0.0]
    assert paid(happened)["committed"] == ([5.0, 0.0, 0.0] if who == "payer" else [5.0] * 3)


def test_an_imposed_failure_comes_before_everything_else_of_its_period(backend: str) -> None:
    """It gets nothing any more, its cash is the estate's; who can't pay anyway is not said to be short."""
    made = small(
        periods=2, entities=[entity("a", 7.0, cash_rate=0.1, hazard=1e6)],
        flows=[flow("in", None, "a", 3.0), flow("out", "a", None, 50.0)],
        scenarios=fails("a", 0),
    )  # fmt: skip
    happened = replay(backend, made)
    assert events(happened) == {"a": (0, "imposed")}
    assert estate(happened) == [7.0, 0.0]


# ---------------------------------------------------------------------------------- loans


def test_a_loan_is_repaid_in_the_share_in_which_it_was_drawn(backend: str) -> None:
    """The lender has 60 of the 100; interest and principal of the two years are 0.6 of what was agreed."""
    loan = {
        "name": "l",
        "borrower": "b",
        "lender": "bank",
        "principal": 100.0,
        "rate": 0.1,
        "draw": 1,
        "years": 2.0,
    }
    made = small(
        periods=5,
        entities=[entity("bank", 60.0), entity("b", 50.0)],
        loans=[loan | {"amortisation": "linear"}],
    )
    happened = replay(backend, made)
    assert paid(happened) == {
        "l.interest": about([0.0, 0.0, 6.0, 3.0, 0.0]),
        "l.principal": about([0.0, 0.0, 30.0, 30.0, 0.0]),
        "l.draw": about([0.0, 60.0, 0.0, 0.0, 0.0]),
    }
    assert by_item(happened.loans, "balance")["l"] == about([0.0, 60.0, 30.0, 0.0, 0.0])
    assert by_item(happened.loans, "share_drawn")["l"] == about([0.0, 0.6, 0.6, 0.6, 0.6])
    alone = replay(backend, made, "first_round")  # there the borrower gets what was billed
    assert paid(alone)["l.draw"] == about([0.0, 60.0, 0.0, 0.0, 0.0])
    assert paid(alone)["l.principal"] == about([0.0, 0.0, 50.0, 50.0, 0.0])
    assert cash(alone)["b"] == about([50.0, 150.0, 90.0, 35.0, 35.0])


def test_a_balance_freezes_when_its_borrower_stops(backend: str) -> None:
    """The lender's share of what is left is a book value: the estate pays nothing in cash."""
    loan = {"name": "l", "borrower": "b", "lender": "bank", "principal": 100.0, "rate": 0.1, "years": 4.0}
    made = small(
        periods=4, entities=[entity("bank", 0.0), entity("b", 500.0)],
        loans=[loan | {"amortisation": "linear", "recovery": 0.4}], scenarios=fails("b", 2),
    )  # fmt: skip
    happened = replay(backend, made)
    assert by_item(happened.loans, "balance")["l"] == about([75.0, 50.0, 50.0, 50.0])
    assert cash(happened)["bank"] == about([35.0, 67.5, 67.5, 67.5])


def test_a_scenario_scales_draws_and_interest_but_never_principal(backend: str) -> None:
    """Half of the draw, so half of all payments; interest doubled on top of that, principal not."""
    loan = {"name": "l", "borrower": "b", "principal": 100.0, "rate": 0.1, "draw": 0, "years": 1.0}
    changes = [
        (f"flow.kind:{kind}.scale", "set", value) for kind, value in (("funding", 0.5), ("interest", 2.0))
    ]
    made = small(periods=2, entities=[entity("b", 100.0)], loans=[loan], scenarios=scenario("s", *changes))
    happened = replay(backend, made)
    assert paid(happened) == {
        "l.interest": about([0.0, 10.0]), "l.principal": about([0.0, 50.0]), "l.draw": about([50.0, 0.0])
    }  # fmt: skip


# ---------------------------------------------------------------------------------- books


CAPEX = {"life": 3.0, "opening_book": 30.0, "opening_life": 2.0, "tenant": "lab", "relet_price": 0.25}


def books(happened: Replay) -> dict[str, list[float]]:
    return {column: by_item(happened.books, column)["c"] for column in ("depreciation", "impairment", "book")}


def test_depreciation_is_straight_over_the_life_from_the_period_after_the_payment(backend: str) -> None:
    """The opening 30 over two periods, 15 each; 12 paid in periods 0 and 1, each 4 a period over three."""
    made = small(
        periods=6, entities=[entity("a", 100.0), entity("lab", 1.0)],
        flows=[flow("c", "a", None, 12.0, "capex", end=1, **CAPEX)],
    )  # fmt: skip
    assert books(replay(backend, made)) == {
        "depreciation": about([15.0, 19.0, 8.0, 8.0, 4.0, 0.0]),
        "impairment": [0.0] * 6,
        "book": about([27.0, 20.0, 12.0, 4.0, 0.0, 0.0]),
    }


def test_an_impairment_leaves_the_relet_price_of_the_book_and_of_what_it_will_lose(backend: str) -> None:
    """The tenant fails in period 3, with 4 in the book: 3 are lost, and 1 is left to be written down."""
    made = small(
        periods=6, entities=[entity("a", 100.0), entity("lab", 1.0)], scenarios=fails("lab", 3),
        flows=[flow("c", "a", None, 12.0, "capex", end=1, **CAPEX)],
    )  # fmt: skip
    assert books(replay(backend, made)) == {
        "depreciation": about([15.0, 19.0, 8.0, 8.0, 1.0, 0.0]),
        "impairment": about([0.0, 0.0, 0.0, 3.0, 0.0, 0.0]),
        "book": about([27.0, 20.0, 12.0, 1.0, 0.0, 0.0]),
    }


def test_an_impairment_takes_in_the_payment_of_its_period(backend: str) -> None:
    """The tenant runs short in period 1: of 27 - 19 + 12 = 20 a quarter is left. The spending ends."""
    made = small(
        periods=6, entities=[entity("a", 100.0), entity("lab", 1.0)],
        flows=[flow("c", "a", None, 12.0, "capex", **CAPEX), flow("rent", "lab", None, 1.0, "rent")],
    )  # fmt: skip
    happened = replay(backend, made)
    assert events(happened) == {"lab": (1, "liquidity")}
    assert paid(happened)["c"] == about([12.0, 12.0, 0.0, 0.0, 0.0, 0.0])
    assert books(happened) == {
        "depreciation": about([15.0, 19.0, 2.0, 2.0, 1.0, 0.0]),
        "impairment": about([0.0, 15.0, 0.0, 0.0, 0.0, 0.0]),
        "book": about([27.0, 5.0, 3.0, 1.0, 0.0, 0.0]),
    }


def test_what_is_paid_after_an_impairment_is_not_impaired(backend: str) -> None:
    made = small(
        periods=4, entities=[entity("a", 100.0), entity("lab", 1.0)], scenarios=fails("lab", 0),
        flows=[flow("c", "a", None, 12.0, "capex", rank="operating", **CAPEX)],
    )  # fmt: skip
    # Period 0: 30 - 15 + 12 = 27, of which 6.75 is left: 3.75 of the opening book, 3 of the payment.
    assert books(replay(backend, made)) == {
        "depreciation": about([15.0, 3.75 + 1.0, 1.0 + 4.0, 1.0 + 8.0]),
        "impairment": about([20.25, 0.0, 0.0, 0.0]),
        "book": about([6.75, 14.0, 21.0, 24.0]),
    }


def test_depreciation_goes_on_when_the_payer_has_failed(backend: str) -> None:
    made = small(
        periods=4, entities=[entity("a", 100.0), entity("lab", 1.0)], scenarios=fails("a", 1),
        flows=[flow("c", "a", None, 12.0, "capex", **CAPEX)],
    )  # fmt: skip
    assert books(replay(backend, made))["depreciation"] == about([15.0, 19.0, 4.0, 4.0])


# ------------------------------------------------------------------------------ insolvency


def cascade() -> System:
    """c fails; b holds claims on it, a has lent to b, and d holds claims on a, which it can bear."""
    return small(
        periods=3,
        entities=[
            entity("a", 0.0, other_assets=5.0, other_debt=20.0, solvency_trigger=True),
            entity("b", 0.0, other_assets=30.0, other_debt=30.0, solvency_trigger=True),
            entity("c", 0.0),
            entity("d", 0.0, other_assets=100.0, other_debt=95.0, solvency_trigger=True),
        ],
        loans=[{"name": "l", "borrower": "b", "lender": "a", "principal": 40.0, "rate": 0.0, "years": 9.0,
                "recovery": 0.25}],
        exposures=[
            {"holder": "b", "issuer": "c", "amount": 50.0, "recovery": 0.4},
            {"holder": "d", "issuer": "a", "amount": 8.0, "recovery": 0.5},
        ],
        flows=[flow("fee", "b", None, 0.0)],
        scenarios=fails("c", 1),
    )  # fmt: skip


def test_insolvency_spreads_within_the_period_until_nobody_else_fails(backend: str) -> None:
    """b: 30 + 0.4 * 50 = 50 against 40 + 30. a: 5 + 0.25 * 40 = 15 against 20. d: 100 + 4 against 95."""
    assert events(replay(backend, cascade())) == {
        "c": (1, "imposed"), "b": (1, "solvency"), "a": (1, "solvency")
    }  # fmt: skip


def test_nobody_is_insolvent_in_first_round_and_nobody_at_all_fails_in_none(backend: str) -> None:
    assert events(replay(backend, cascade(), "first_round")) == {"c": (1, "imposed")}
    assert events(replay(backend, cascade(), "none")) == {}


def test_an_exposure_of_kind_loan_is_a_debt_of_its_issuer(backend: str) -> None:
    """100 against 95 and 10 that others hold: insolvent at once, if these are loans."""
    for kind, failures in (("loan", {"a": (0, "solvency")}), ("bond", {})):
        made = small(
            entities=[entity("a", 100.0, other_debt=95.0, solvency_trigger=True), entity("b", 0.0)],
            exposures=[{"holder": "b", "issuer": "a", "amount": 10.0, "kind": kind}],
        )
        assert events(replay(backend, made)) == failures


def test_assets_are_cash_claims_and_books_and_a_drawn_line_is_a_debt(backend: str) -> None:
    """Cash -10: liabilities 10 + 25. The book is 30 in period 0, 20 after, 10 after that."""
    made = small(
        periods=3, entities=[entity("a", -10.0, credit_line=20.0, other_debt=15.0, solvency_trigger=True)],
        flows=[flow("c", "a", None, 0.0, "capex", life=4.0, opening_book=40.0)],
    )  # fmt: skip
    happened = replay(backend, made)
    assert by_item(happened.books, "book")["c"] == about([30.0, 20.0, 10.0])
    assert events(happened) == {"a": (1, "solvency")}
    assert estate(happened) == about([0.0, -10.0, 0.0])


def test_rounding_decides_about_nobodys_solvency(backend: str) -> None:
    """Cash, and the borrowers' debts and the books that they paid for, end at 0 but for rounding."""
    made = small(periods=8, **pass_through())
    run = gs.simulate(made, paths=300, backend=backend)
    assert (run.failed_at == run.periods).all()
    assert (run.final_cash == 0.0).all()
    balances = by_item(replay(backend, made).loans, "balance")
    assert [balance[-1] for balance in balances.values()] == [0.0] * 4


def test_an_impairment_can_make_the_owner_insolvent(backend: str) -> None:
    """The tenant's failure leaves a quarter of the book of 20: 5, less than the debt of 6."""
    made = small(
        periods=2, scenarios=fails("lab", 1),
        entities=[entity("a", 0.0, other_debt=6.0, solvency_trigger=True), entity("lab", 1.0)],
        flows=[flow("c", "a", None, 0.0, "capex", life=4.0, opening_book=40.0, tenant="lab",
                    relet_price=0.25)],
    )  # fmt: skip
    happened = replay(backend, made)
    assert by_item(happened.books, "impairment")["c"] == about([0.0, 15.0])
    assert events(happened) == {"lab": (1, "imposed"), "a": (1, "solvency")}


# -------------------------------------------------------------------------------- effects


def test_contagion_is_the_difference_between_full_and_first_round(backend: str) -> None:
    """a can't pay b; alone b is judged as if it had been paid, and lives."""
    made = small(
        periods=2, entities=[entity("a", 4.0), entity("b", 0.0)],
        flows=[flow("ab", "a", "b", 10.0), flow("bc", "b", None, 10.0)],
    )  # fmt: skip
    full, alone, none = (replay(backend, made, effects) for effects in ("full", "first_round", "none"))
    assert events(full) == {"a": (0, "liquidity"), "b": (0, "liquidity")}
    assert events(alone) == {"a": (0, "liquidity")}
    assert events(none) == {}
    # In first_round a pays by its own ratio and then nothing; b gets what was billed, and pays on.
    assert paid(full) == {"ab": about([4.0, 0.0]), "bc": about([4.0, 0.0])}
    assert paid(alone) == {"ab": about([4.0, 0.0]), "bc": about([10.0, 10.0])}
    assert paid(none) == {"ab": about([10.0, 10.0]), "bc": about([10.0, 10.0])}
    assert cash(none)["a"] == about([-6.0, -16.0])  # below any line


def test_default_costs_count_in_first_round_too(backend: str) -> None:
    made = small(
        default_costs=(0.5, 0.25), entities=[entity("a", 4.0)],
        flows=[flow("in", None, "a", 4.0), flow("out", "a", None, 10.0)],
    )  # fmt: skip
    assert paid(replay(backend, made, "first_round"))["out"] == about([3.0])


def test_memo_lines_move_no_money(backend: str) -> None:
    made = small(
        entities=[entity("a", 5.0)],
        flows=[flow("usage", None, None, 8.0), flow("bill", "a", None, 0.5, driver="usage")],
    )
    happened = replay(backend, made)
    assert paid(happened) == {"usage": [8.0], "bill": [4.0]}
    assert cash(happened) == {"a": [1.0]}
