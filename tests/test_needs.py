"""What a machine lacks is a skip, and a failure where GPUSTRESS_REQUIRE asks for it."""

from __future__ import annotations

import pytest
from _pytest.outcomes import Failed, Skipped

import needs
from gpustress import BackendInfo


@pytest.fixture(autouse=True)
def _asks_for_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(needs.ENVIRONMENT_VARIABLE, "compiler, browser,")


def test_what_is_there_is_no_matter() -> None:
    needs.require("compiler", available=True)


def test_what_is_lacking_is_skipped() -> None:
    with pytest.raises(Skipped, match="nvrtc is not available: not installed"):
        needs.require("nvrtc", available=False, reason="not installed")


@pytest.mark.parametrize("name", ["compiler", "browser"])
def test_what_is_lacking_and_asked_for_fails(name: str) -> None:
    with pytest.raises(Failed, match=f"{name} is not available.*{needs.ENVIRONMENT_VARIABLE}"):
        needs.require(name, available=False)


@pytest.mark.parametrize(("missing", "outcome"), [(True, Skipped), (False, Failed)])
def test_a_backend_that_is_broken_is_no_skip(missing: bool, outcome: type[BaseException]) -> None:
    info = BackendInfo("abacus", False, "beads are lost", missing, "", {}, ())
    with pytest.raises(outcome, match="beads are lost"):
        needs.require_backend(info, "abacus")
