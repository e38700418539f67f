"""What a test needs beside Python: skipped without it, unless GPUSTRESS_REQUIRE names it."""

from __future__ import annotations

import os

import pytest

from gpustress import BackendInfo

ENVIRONMENT_VARIABLE = "GPUSTRESS_REQUIRE"


def required() -> set[str]:
    """The things that have to be there: GPUSTRESS_REQUIRE is a list such as ``compiler,nvrtc,browser``."""
    return {name.strip() for name in os.environ.get(ENVIRONMENT_VARIABLE, "").split(",")} - {""}


def require(name: str, available: object, reason: str = "") -> None:
    """Skip the test where `name` is not available; fail it where GPUSTRESS_REQUIRE lists the name.

    Use it instead of pytest.skip wherever a test wants what a machine may lack.
    """
    if available:
        return
    message = f"{name} is not available" + (f": {reason}" if reason else "")
    if name in required():
        pytest.fail(f"{message} ({ENVIRONMENT_VARIABLE} asks for it)", pytrace=False)
    pytest.skip(message)


def require_backend(info: BackendInfo, name: str) -> None:
    """As `require` where a backend lacks what it needs; one that should work and does not fails the test."""
    if not info.works and not info.missing:
        pytest.fail(f"backend {info.name} should work here and does not: {info.reason}", pytrace=False)
    require(name, info.works, f"backend {info.name}: {info.reason}")
