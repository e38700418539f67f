"""Fixtures and Hypothesis profiles that all tests share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import gpustress as gs
from cuda_standin import compiler
from gpustress import cli
from gpustress.backends import ENVIRONMENT_VARIABLE, BackendInfo
from gpustress.backends.native import NativeBackend
from needs import require, require_backend
from sweeps import small_shards, swept

# The bench's peer in Numba has to be right here, not fast: half of the time goes into making it fast.
os.environ.setdefault("NUMBA_OPT", "1")

NEEDED_BY = {"native": "compiler", "cupy": "gpu"}  # as GPUSTRESS_REQUIRE names it

# `ci` draws the same examples every time; `--hypothesis-profile=deep` draws others, twenty times as many.
# Tests say how many they want of a hundred: `build.examples`.
SLOW_MACHINES = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=SLOW_MACHINES)
settings.register_profile("deep", deadline=None, max_examples=2000, suppress_health_check=SLOW_MACHINES)
settings.load_profile("ci")


@pytest.fixture(scope="session", autouse=True)
def _no_backend_from_outside() -> None:
    """A test runs on the backend that it names, whatever the caller's environment says."""
    os.environ.pop(ENVIRONMENT_VARIABLE, None)


def turns(*leaving_out: str) -> list[Any]:
    """A parameter for each backend that this version knows."""
    return [
        pytest.param(info, id=info.name, marks=[pytest.mark.gpu] if NEEDED_BY.get(info.name) == "gpu" else [])
        for info in gs.backends()
        if info.name not in leaving_out
    ]


def working_backend(info: BackendInfo) -> str:
    """Its name; the test is skipped where it does not work here."""
    require_backend(info, NEEDED_BY.get(info.name, info.name))
    return info.name


@pytest.fixture(scope="session", params=turns())
def backend(request: pytest.FixtureRequest) -> str:
    """The name of each backend in turn."""
    return working_backend(request.param)


@pytest.fixture(scope="session", params=turns("numpy"))
def other_backend(request: pytest.FixtureRequest) -> str:
    """The name of each backend in turn that is not the reference."""
    return working_backend(request.param)


@pytest.fixture(scope="session")
def native() -> NativeBackend:
    """Whose bits the CUDA entries have to give, where these can be built for the host too."""
    require_backend(next(info for info in gs.backends() if info.name == "native"), "compiler")
    require("compiler", compiler())
    return NativeBackend(threads=1)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep that nothing disturbed; tests leave it as it is."""
    out: Path = tmp_path_factory.mktemp("undisturbed") / "out"
    with pytest.MonkeyPatch.context() as patch:
        small_shards(patch)
        swept(out)
    return out


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run the command line in this process: exit code, standard output, standard error."""

    def run(*arguments: object) -> tuple[int | str, str, str]:
        monkeypatch.setattr(sys, "argv", ["gpustress", *map(str, arguments)])
        before = signal.getsignal(signal.SIGINT)
        try:
            with pytest.raises(SystemExit) as leaving:
                cli.main()
        finally:
            signal.signal(signal.SIGINT, before)
        return leaving.value.code or 0, *capsys.readouterr()

    return run
