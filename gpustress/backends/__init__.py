"""The registry: which backends there are, and which one a run takes."""

from __future__ import annotations

import functools
import inspect
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..errors import BackendWarning, InputError, bad_argument, nearest

if TYPE_CHECKING:
    from .base import Backend, Hardware

AUTO: Final = "auto"
ENVIRONMENT_VARIABLE: Final = "GPUSTRESS_BACKEND"


@dataclass(frozen=True)
class BackendInfo:
    """A backend, whether it works here, and why not.

    Attributes
    ----------
    name : str
    works : bool
        It is there, and gives the right numbers for one path of a small system.
    reason : str
        Why it does not work, and what would help; "" where it does.
    missing : bool
        It does not work because something that it needs is just not there: no fault of anybody's.
    device : str
        What it computes on; "" where it does not work.
    versions : mapping of str to str
        Of what lies behind it; empty where it does not work.
    hardware : tuple of Hardware
        The devices beside the processor that it computes on.
    """

    name: str
    works: bool
    reason: str
    missing: bool
    device: str
    versions: Mapping[str, str]
    hardware: tuple[Hardware, ...]


def _numpy() -> Backend:
    from .numpy import NumpyBackend

    return NumpyBackend()


def _native(threads: int | None = None) -> Backend:
    from .native import NativeBackend

    return NativeBackend(threads=threads)


def _cupy(devices: Sequence[int] | None = None) -> Backend:
    from .cupy import CupyBackend

    return CupyBackend(devices)


_BACKENDS: Final[dict[str, Callable[..., Backend]]] = {
    "numpy": _numpy, "native": _native, "cupy": _cupy,  # best last
}  # fmt: skip
_ARITHMETIC: Final = {"numpy": "numpy", "native": "kernels", "cupy": "kernels"}
_REMEDIES: Final = {
    "native": "install gpustress where a C++ compiler is there; in a checkout, with `pip install -e .`",
    "cupy": "it needs an NVIDIA GPU, its driver for CUDA 12 or 13, and gpustress[cuda12] or gpustress[cuda13]",
}


def backends() -> list[BackendInfo]:
    """Every backend that this version knows, the one that `auto` prefers last."""
    return [_info(name) for name in _BACKENDS]


def is_working(name: str) -> bool:
    """Whether there is a backend of that name, and works here; no other is looked at."""
    return name in _BACKENDS and not _verdict(_BACKENDS[name], None).reason


def get_backend(
    name: str = AUTO,
    *,
    threads: int | None = None,
    devices: Sequence[int] | None = None,
    protocol: type = object,
) -> Backend:
    """The backend that a run takes.

    Parameters
    ----------
    name : str
        As `backend=` names it; ``auto`` takes what the environment variable GPUSTRESS_BACKEND names, else the best that
        works.
    threads : int, optional
        At most so many threads of the processor; by default GPUSTRESS_THREADS, or as many as the process has
        processors. ``numpy`` takes one, whatever is allowed.
    devices : sequence of int, optional
        Numbers of the devices to compute on, for a backend that has several.
    protocol : type
        Of `base`: ``auto`` passes over a backend that has not what it says; one that is named may not.

    Raises
    ------
    InputError
        There is no backend of this name, or it does not work here, or an option is wrong.

    Warns
    -----
    BackendWarning
        Once a process: ``auto`` passes over a backend that should work here and does not. One that is not installed, or
        finds no device, is passed over in silence.
    """
    wanted, argument = name, "backend"
    is_auto = isinstance(name, str) and name == AUTO
    if is_auto and os.environ.get(ENVIRONMENT_VARIABLE):
        wanted, argument = os.environ[ENVIRONMENT_VARIABLE], ENVIRONMENT_VARIABLE
    if threads is not None:
        from ..threads import thread_limit

        thread_limit(threads)
    if isinstance(wanted, str) and wanted == AUTO:
        wanted = _best(protocol)
    if not isinstance(wanted, str) or wanted not in _BACKENDS:
        raise bad_argument(argument, wanted, "is no backend", nearest(str(wanted), (AUTO, *_BACKENDS)))
    make = _BACKENDS[wanted]
    if devices is not None and not _takes(make, "devices"):
        able = [other for other, factory in _BACKENDS.items() if _takes(factory, "devices")]
        remedy = f"Leave it out, or take {' or '.join(able)}"
        for other in able:
            passed_over = _verdict(_BACKENDS[other], None).reason
            remedy += f", which does not work here: {passed_over}" if passed_over else ""
        remedy += "."
        raise bad_argument("devices", devices, f"means nothing to the backend `{wanted}`", remedy)
    numbers = None if devices is None else _numbers(devices)
    verdict = _verdict(make, numbers)
    if verdict.reason:
        message = f"does not work here: {verdict.reason}"
        raise bad_argument(argument, wanted, message, f"{_remedy(wanted, verdict)}.")
    return _made(make, threads=threads, devices=numbers)


def arithmetic_of(backend: Backend) -> str:
    """What a backend computes by: those of the same arithmetic give the same bits."""
    return _ARITHMETIC.get(backend.name, backend.name)


@dataclass(frozen=True)
class _Verdict:
    """Why a backend does not work, "" where it does; and whether something that it needs is just not there."""

    reason: str
    missing: bool = False


def _numbers(devices: Sequence[int]) -> tuple[int, ...]:
    """Numbers of devices."""
    from ..arguments import whole_number

    numbers = [whole_number(each) for each in devices] if isinstance(devices, Iterable) else [None]
    found = tuple(number for number in numbers if number is not None)
    if len(found) < len(numbers) or isinstance(devices, str | bytes | Mapping):
        raise bad_argument("devices", devices, "is no list of devices", "Give their numbers, e.g. [0, 1].")
    return found


@functools.cache
def _verdict(make: Callable[..., Backend], devices: tuple[int, ...] | None) -> _Verdict:
    from .self_test import fault

    try:
        return _Verdict(fault(_made(make, threads=1, devices=devices)))
    except InputError:
        raise
    except ImportError as error:
        return _Verdict(str(error), missing=True)
    except Exception as error:  # whatever a broken device or library comes up with
        return _Verdict(f"{type(error).__name__}: {error}")


def _made(make: Callable[..., Backend], **options: Any) -> Backend:
    """A backend, with those of the options that are given and that it takes."""
    return make(
        **{name: value for name, value in options.items() if value is not None and _takes(make, name)}
    )


def _takes(make: Callable[..., Backend], option: str) -> bool:
    return option in inspect.signature(make).parameters


def _remedy(name: str, verdict: _Verdict) -> str:
    return _REMEDIES[name] if verdict.missing else "take another backend until it does"


def _info(name: str) -> BackendInfo:
    from .base import Described

    verdict = _verdict(_BACKENDS[name], None)
    if verdict.reason:
        reason = f"{verdict.reason}; {_remedy(name, verdict)}"
        return BackendInfo(name, False, reason, verdict.missing, "", {}, ())
    try:
        backend = _BACKENDS[name]()
        if isinstance(backend, Described):
            facts = dict(backend.versions), backend.hardware
            return BackendInfo(name, True, "", False, backend.device, *facts)
        return BackendInfo(name, True, "", False, backend.device, {}, ())
    except InputError:
        raise
    except Exception as error:  # whatever a broken device or library comes up with
        reason = f"{type(error).__name__}: {error}; {_remedy(name, verdict)}"
        return BackendInfo(name, False, reason, False, "", {}, ())


def _best(protocol: type) -> str:
    """The last that works and has what `protocol` says, or the first if none does: it then says why."""
    broken = []
    for name in reversed(_BACKENDS):
        verdict = _verdict(_BACKENDS[name], None)
        if not verdict.reason and isinstance(_made(_BACKENDS[name], threads=1), protocol):
            break
        if verdict.reason and not verdict.missing:
            broken.append((name, verdict.reason))
    for fault in broken:
        _warn(*fault, name)
    return name


@functools.cache
def _warn(broken: str, reason: str, taken: str) -> None:
    message = (
        f"backend `{broken}` should work here and does not ({reason}); `{taken}` is taken. backend='{taken}', or "
        f"{ENVIRONMENT_VARIABLE}={taken}, says that this is meant"
    )
    warnings.warn(BackendWarning(message), stacklevel=5)  # where simulate, replay or estimate was called
