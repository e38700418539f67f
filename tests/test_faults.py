"""The checks are worth something: each of many ways to break the library is caught by a small set of them."""

from __future__ import annotations

import pytest

from faults import FAULTS, Fault, broken, first_failure


def test_the_library_as_it_is_passes_the_checks() -> None:
    with broken(None) as package:
        assert first_failure(package) is None


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_seeded_fault_is_caught(fault: Fault) -> None:
    with broken(fault) as package:
        assert first_failure(package) is not None


def test_a_fault_whose_text_is_gone_is_an_error() -> None:
    with pytest.raises(LookupError, match="0 times"), broken(Fault("gone", "draws.py", "no such text", "")):
        pass
