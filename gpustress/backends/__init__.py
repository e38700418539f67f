"""The registry: which backends there are, and which one a run takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import bad_argument, nearest

if TYPE_CHECKING:
    from .base import Backend

AUTO: Final = "auto"
ENVIRONMENT_VARIABLE: Final = "GPUSTRESS_BACKEND"


@dataclass(frozen=True)
class BackendInfo:
    """A backend, whether it works here, and why not.

    Attributes
    ----------
    name : str
    works : bool
    reason : str
        Why it does not work; "" where it does.
    device : str
        What it computes on; "" where it does not work.
    """

    name: str
    works: bool
    reason: str
    device: str


def _numpy() -> Backend:
    from .numpy import NumpyBackend

    return NumpyBackend()


def _native() -> Backend:
    from .native import NativeBackend

    return NativeBackend()


_BACKENDS: Final[dict[str, Callable[[], Backend]]] = {"numpy": _numpy, "native": _native}  # best last
_REMEDIES: Final = {"native": "install gpustress where a C++ compiler is there"}


def backends() -> list[BackendInfo]:
    """Every backend that this version knows, the one that `auto` prefers last."""
    return [_info(name) for name in _BACKENDS]


def _info(name: str) -> BackendInfo:
    try:
        return BackendInfo(name, True, "", _BACKENDS[name]().device)
    except ImportError as error:
        return BackendInfo(name, False, f"{error}; {_REMEDIES[name]}", "")


def get_backend(name: str = AUTO) -> Backend:
    """The backend that a run takes.

    Parameters
    ----------
    name : str
        As `backend=` names it; ``auto`` takes what the environment variable GPUSTRESS_BACKEND names, else the best that
        works.

    Raises
    ------
    InputError
        There is no backend of this name, or it does not work here.
    """
    wanted, argument = name, "backend"
    if name == AUTO and os.environ.get(ENVIRONMENT_VARIABLE):
        wanted, argument = os.environ[ENVIRONMENT_VARIABLE], ENVIRONMENT_VARIABLE
    if wanted == AUTO:
        wanted = [info.name for info in backends() if info.works][-1]
    if not isinstance(wanted, str) or wanted not in _BACKENDS:
        raise bad_argument(argument, wanted, "is no backend", nearest(str(wanted), (AUTO, *_BACKENDS)))
    try:
        return _BACKENDS[wanted]()
    except ImportError as error:
        raise bad_argument(
            argument, wanted, f"does not work here: {error}", f"{_REMEDIES[wanted]}."
        ) from error
