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
    from .attribution import cascade_followers as cascade_followers
    from .attribution import cascade_starts as cascade_starts
    from .attribution import contagion_losses as contagion_losses
    from .attribution import worst_world as worst_world
    from .cascades import Cascade as Cascade
    from .cascades import cascade as cascade
    from .cascades import cascade_blocks as cascade_blocks
    from .clearing import Clearing as Clearing
    from .clearing import clear as clear
    from .clearing import clear_blocks as clear_blocks
    from .common_assets import FireSales as FireSales
    from .common_assets import fire_sales as fire_sales
    from .common_assets import fire_sales_blocks as fire_sales_blocks
    from .control_variates import control_variate as control_variate
    from .convergence_table import convergence as convergence
    from .design_point import LikeliestPoint as LikeliestPoint
    from .design_point import likeliest_point as likeliest_point
    from .distress import DebtRank as DebtRank
    from .distress import debtrank as debtrank
    from .distress import debtrank_blocks as debtrank_blocks
    from .errors import AccuracyError as AccuracyError
    from .errors import BackendWarning as BackendWarning
    from .errors import InputError as InputError
    from .errors import InputWarning as InputWarning
    from .errors import Problem as Problem
    from .explanation import Explanation as Explanation
    from .explanation import explain as explain
    from .failure_order import failure_links as failure_links
    from .network import Network as Network
    from .network_files import read_network as read_network
    from .network_valuation import NetworkValuation as NetworkValuation
    from .network_valuation import value_network as value_network
    from .reconstruction import reconstruct as reconstruct
    from .result import MeasureResult as MeasureResult
    from .result import Result as Result
    from .reverse import ReverseStress as ReverseStress
    from .reverse import reverse_stress as reverse_stress
    from .risk import RiskEstimate as RiskEstimate
    from .risk import claims as claims
    from .risk import expected_shortfall as expected_shortfall
    from .risk import losses as losses
    from .risk import value_at_risk as value_at_risk
    from .run_estimate import RunEstimate as RunEstimate
    from .run_estimate import estimate as estimate
    from .scenarios import Scenarios as Scenarios
    from .sensitivity import Sensitivities as Sensitivities
    from .sensitivity import sensitivities as sensitivities
    from .simulation import simulate as simulate
    from .single_path import Replay as Replay
    from .single_path import replay as replay
    from .store import read_result as read_result
    from .storytelling import Story as Story
    from .storytelling import story as story
    from .sweep_estimate import SweepEstimate as SweepEstimate
    from .sweep_estimate import estimate_sweep as estimate_sweep
    from .sweep_progress import SweepProgress as SweepProgress
    from .sweep_result import Sweep as Sweep
    from .sweep_result import SweepStatus as SweepStatus
    from .sweep_result import read_sweep as read_sweep
    from .sweep_result import sweep_status as sweep_status
    from .sweeping import sweep as sweep
    from .system import System as System
    from .system import read_system as read_system
    from .tail import contributions as contributions
    from .tail import entity_contributions as entity_contributions
    from .tail import flow_contributions as flow_contributions
    from .valuations import BlackCox as BlackCox
    from .valuations import EisenbergNoe as EisenbergNoe
    from .valuations import Furfine as Furfine
    from .valuations import LinearDebtRank as LinearDebtRank
    from .valuations import Merton as Merton
    from .valuations import RogersVeraart as RogersVeraart
    from .variance_reduction import Antithetic as Antithetic
    from .variance_reduction import ImportanceSampling as ImportanceSampling
    from .variance_reduction import QuasiMonteCarlo as QuasiMonteCarlo
    from .variance_shares import sobol_indices as sobol_indices

_MODULE_OF = {
    "AccuracyError": "errors",
    "Antithetic": "variance_reduction",
    "BackendWarning": "errors",
    "BlackCox": "valuations",
    "Cascade": "cascades",
    "Clearing": "clearing",
    "DebtRank": "distress",
    "EisenbergNoe": "valuations",
    "Explanation": "explanation",
    "FireSales": "common_assets",
    "Furfine": "valuations",
    "ImportanceSampling": "variance_reduction",
    "InputError": "errors",
    "InputWarning": "errors",
    "LikeliestPoint": "design_point",
    "LinearDebtRank": "valuations",
    "MeasureResult": "result",
    "Merton": "valuations",
    "Network": "network",
    "NetworkValuation": "network_valuation",
    "Problem": "errors",
    "QuasiMonteCarlo": "variance_reduction",
    "Replay": "single_path",
    "Result": "result",
    "ReverseStress": "reverse",
    "RiskEstimate": "risk",
    "RogersVeraart": "valuations",
    "RunEstimate": "run_estimate",
    "Scenarios": "scenarios",
    "Sensitivities": "sensitivity",
    "Story": "storytelling",
    "Sweep": "sweep_result",
    "SweepEstimate": "sweep_estimate",
    "SweepProgress": "sweep_progress",
    "SweepStatus": "sweep_result",
    "System": "system",
    "cascade": "cascades",
    "cascade_blocks": "cascades",
    "cascade_followers": "attribution",
    "cascade_starts": "attribution",
    "claims": "risk",
    "clear": "clearing",
    "clear_blocks": "clearing",
    "contagion_losses": "attribution",
    "contributions": "tail",
    "control_variate": "control_variates",
    "convergence": "convergence_table",
    "debtrank": "distress",
    "debtrank_blocks": "distress",
    "entity_contributions": "tail",
    "estimate": "run_estimate",
    "estimate_sweep": "sweep_estimate",
    "expected_shortfall": "risk",
    "explain": "explanation",
    "failure_links": "failure_order",
    "fire_sales": "common_assets",
    "fire_sales_blocks": "common_assets",
    "likeliest_point": "design_point",
    "flow_contributions": "tail",
    "losses": "risk",
    "read_network": "network_files",
    "read_result": "store",
    "read_sweep": "sweep_result",
    "read_system": "system",
    "reconstruct": "reconstruction",
    "replay": "single_path",
    "reverse_stress": "reverse",
    "sensitivities": "sensitivity",
    "simulate": "simulation",
    "sobol_indices": "variance_shares",
    "story": "storytelling",
    "sweep": "sweeping",
    "sweep_status": "sweep_result",
    "value_at_risk": "risk",
    "value_network": "network_valuation",
    "worst_world": "attribution",
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
