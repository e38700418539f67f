"""`gpustress info`."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from ..errors import InputError
from .console import print_json, reported, size_of
from .interrupt import heed_interrupt
from .options import Json


def info(as_json: Json = False) -> None:
    """Show versions, backends and which one is taken."""
    with reported(as_json):
        import platform

        import numpy as np
        import pyarrow as pa

        from ..backends import AUTO, ENVIRONMENT_VARIABLE, backends, get_backend
        from ..memory import free_memory
        from ..version import VERSION

        heed_interrupt()
        wanted, refused = os.environ.get(ENVIRONMENT_VARIABLE), None
        why = f"{ENVIRONMENT_VARIABLE}={wanted}" if wanted else "the best that works"
        try:
            taken = get_backend(AUTO).name
        except InputError as error:  # said when everything else is
            taken, refused = None, error
        facts: dict[str, Any] = {
            "versions": {"gpustress": VERSION, "python": platform.python_version(), "numpy": np.__version__,
                         "pyarrow": pa.__version__},
            "processors": os.cpu_count(),
            "free_bytes": free_memory(),
            "backends": list(map(dataclasses.asdict, backends())),
            "taken": taken,
            "why": why,
        }  # fmt: skip
        if as_json:
            if refused is not None:
                raise refused
            print_json(facts)
            return
        print(", ".join(f"{name} {version}" for name, version in facts["versions"].items()))
        print(f"{facts['processors']} processors, {size_of(facts['free_bytes'])} of memory free")
        for backend in facts["backends"]:
            state = backend["device"] if backend["works"] else f"does not work: {backend['reason']}"
            mark = f" (taken: {why})" if backend["name"] == taken else ""
            print(f"backend {backend['name']}: {state}{mark}")
            if backend["versions"]:
                print("  " + ", ".join(f"{name} {version}" for name, version in backend["versions"].items()))
            for one in backend["hardware"]:
                print(f"  {one['name']}: {size_of(one['memory_bytes'])} of memory, driver {one['driver']}")
        if refused is not None:
            raise refused
