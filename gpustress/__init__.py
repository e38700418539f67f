"""gpustress stress-tests financial systems in which who fails next depends on who failed before.

Public names are imported when they are first used, so that `import gpustress` costs next to nothing. (No module may
have the name of a public function: importing it would put the module in the function's place. `backends` is bound here,
after its package.)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .backends import BackendInfo as BackendInfo
from .backends import backends as backends
from .version import VERSION as __version__  # noqa: N811

if TYPE_CHECKING:
    from .cascades import Cascade as Cascade
    from .cascades import DebtRank as DebtRank
    from .cascades import cascade as cascade
    from .cascades import debtrank as debtrank
    from .clearing import Clearing as Clearing
    from .clearing import clear as clear
    from .common_assets import FireSales as FireSales
    from .common_assets import fire_sales as fire_sales
    from .errors import AccuracyError as AccuracyError
    from .errors import BackendWarning as BackendWarning
    from .errors import InputError as InputError
    from .errors import InputWarning as InputWarning
    from .errors import Problem as Problem
    from .failure_order import failure_links as failure_links
    from .network import Network as Network
    from .reconstruction import reconstruct as reconstruct
    from .result import MeasureResult as MeasureResult
    from .result import Result as Result
    from .risk import RiskEstimate as RiskEstimate
    from .risk import claims as claims
    from .risk import contributions as contributions
    from .risk import expected_shortfall as expected_shortfall
    from .risk import losses as losses
    from .risk import value_at_risk as value_at_risk
    from .run_estimate import RunEstimate as RunEstimate
    from .run_estimate import estimate as estimate
    from .scenarios import Scenarios as Scenarios
    from .simulation import simulate as simulate
    from .single_path import Replay as Replay
    from .single_path import replay as replay
    from .store import read_result as read_result
    from .system import System as System
    from .system import read_system as read_system

_MODULE_OF = {
    "AccuracyError": "errors",
    "BackendWarning": "errors",
    "Cascade": "cascades",
    "Clearing": "clearing",
    "DebtRank": "cascades",
    "FireSales": "common_assets",
    "InputError": "errors",
    "InputWarning": "errors",
    "MeasureResult": "result",
    "Network": "network",
    "Problem": "errors",
    "Replay": "single_path",
    "Result": "result",
    "RiskEstimate": "risk",
    "RunEstimate": "run_estimate",
    "Scenarios": "scenarios",
    "System": "system",
    "cascade": "cascades",
    "claims": "risk",
    "clear": "clearing",
    "contributions": "risk",
    "debtrank": "cascades",
    "estimate": "run_estimate",
    "expected_shortfall": "risk",
    "failure_links": "failure_order",
    "fire_sales": "common_assets",
    "losses": "risk",
    "read_result": "store",
    "read_system": "system",
    "reconstruct": "reconstruction",
    "replay": "single_path",
    "simulate": "simulation",
    "value_at_risk": "risk",
}

__all__ = ["BackendInfo", "__version__", "backends", *_MODULE_OF]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
