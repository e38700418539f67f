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
    from .answers.attribution import cascade_followers as cascade_followers
    from .answers.attribution import cascade_starts as cascade_starts
    from .answers.attribution import contagion_losses as contagion_losses
    from .answers.attribution import worst_world as worst_world
    from .answers.control_variates import control_variate as control_variate
    from .answers.convergence_table import convergence as convergence
    from .answers.design_point import LikeliestPoint as LikeliestPoint
    from .answers.design_point import likeliest_point as likeliest_point
    from .answers.explanation import Explanation as Explanation
    from .answers.explanation import explain as explain
    from .answers.reverse import ReverseStress as ReverseStress
    from .answers.reverse import reverse_stress as reverse_stress
    from .answers.sensitivity import Sensitivities as Sensitivities
    from .answers.sensitivity import sensitivities as sensitivities
    from .answers.storytelling import Story as Story
    from .answers.storytelling import story as story
    from .answers.variance_shares import sobol_indices as sobol_indices
    from .errors import AccuracyError as AccuracyError
    from .errors import BackendWarning as BackendWarning
    from .errors import InputError as InputError
    from .errors import InputWarning as InputWarning
    from .errors import Problem as Problem
    from .failure_order import failure_links as failure_links
    from .networks.cascades import Cascade as Cascade
    from .networks.cascades import cascade as cascade
    from .networks.cascades import cascade_blocks as cascade_blocks
    from .networks.clearing import Clearing as Clearing
    from .networks.clearing import clear as clear
    from .networks.clearing import clear_blocks as clear_blocks
    from .networks.common_assets import FireSales as FireSales
    from .networks.common_assets import fire_sales as fire_sales
    from .networks.common_assets import fire_sales_blocks as fire_sales_blocks
    from .networks.distress import DebtRank as DebtRank
    from .networks.distress import debtrank as debtrank
    from .networks.distress import debtrank_blocks as debtrank_blocks
    from .networks.files import read_network as read_network
    from .networks.network import Network as Network
    from .networks.network_valuation import NetworkValuation as NetworkValuation
    from .networks.network_valuation import value_network as value_network
    from .networks.reconstruction import reconstruct as reconstruct
    from .networks.valuations import BlackCox as BlackCox
    from .networks.valuations import EisenbergNoe as EisenbergNoe
    from .networks.valuations import Furfine as Furfine
    from .networks.valuations import LinearDebtRank as LinearDebtRank
    from .networks.valuations import Merton as Merton
    from .networks.valuations import RogersVeraart as RogersVeraart
    from .result import MeasureResult as MeasureResult
    from .result import Result as Result
    from .risk import RiskEstimate as RiskEstimate
    from .risk import claims as claims
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
    from .sweeps.estimate import SweepEstimate as SweepEstimate
    from .sweeps.estimate import estimate_sweep as estimate_sweep
    from .sweeps.progress import SweepProgress as SweepProgress
    from .sweeps.result import Sweep as Sweep
    from .sweeps.result import SweepStatus as SweepStatus
    from .sweeps.result import read_sweep as read_sweep
    from .sweeps.result import sweep_status as sweep_status
    from .sweeps.sweeping import sweep as sweep
    from .system import System as System
    from .system import read_system as read_system
    from .tail import contributions as contributions
    from .tail import entity_contributions as entity_contributions
    from .tail import flow_contributions as flow_contributions
    from .variance_reduction import Antithetic as Antithetic
    from .variance_reduction import ImportanceSampling as ImportanceSampling
    from .variance_reduction import QuasiMonteCarlo as QuasiMonteCarlo

_MODULE_OF = {
    "AccuracyError": "errors",
    "Antithetic": "variance_reduction",
    "BackendWarning": "errors",
    "BlackCox": "networks.valuations",
    "Cascade": "networks.cascades",
    "Clearing": "networks.clearing",
    "DebtRank": "networks.distress",
    "EisenbergNoe": "networks.valuations",
    "Explanation": "answers.explanation",
    "FireSales": "networks.common_assets",
    "Furfine": "networks.valuations",
    "ImportanceSampling": "variance_reduction",
    "InputError": "errors",
    "InputWarning": "errors",
    "LikeliestPoint": "answers.design_point",
    "LinearDebtRank": "networks.valuations",
    "MeasureResult": "result",
    "Merton": "networks.valuations",
    "Network": "networks.network",
    "NetworkValuation": "networks.network_valuation",
    "Problem": "errors",
    "QuasiMonteCarlo": "variance_reduction",
    "Replay": "single_path",
    "Result": "result",
    "ReverseStress": "answers.reverse",
    "RiskEstimate": "risk",
    "RogersVeraart": "networks.valuations",
    "RunEstimate": "run_estimate",
    "Scenarios": "scenarios",
    "Sensitivities": "answers.sensitivity",
    "Story": "answers.storytelling",
    "Sweep": "sweeps.result",
    "SweepEstimate": "sweeps.estimate",
    "SweepProgress": "sweeps.progress",
    "SweepStatus": "sweeps.result",
    "System": "system",
    "cascade": "networks.cascades",
    "cascade_blocks": "networks.cascades",
    "cascade_followers": "answers.attribution",
    "cascade_starts": "answers.attribution",
    "claims": "risk",
    "clear": "networks.clearing",
    "clear_blocks": "networks.clearing",
    "contagion_losses": "answers.attribution",
    "contributions": "tail",
    "control_variate": "answers.control_variates",
    "convergence": "answers.convergence_table",
    "debtrank": "networks.distress",
    "debtrank_blocks": "networks.distress",
    "entity_contributions": "tail",
    "estimate": "run_estimate",
    "estimate_sweep": "sweeps.estimate",
    "expected_shortfall": "risk",
    "explain": "answers.explanation",
    "failure_links": "failure_order",
    "fire_sales": "networks.common_assets",
    "fire_sales_blocks": "networks.common_assets",
    "likeliest_point": "answers.design_point",
    "flow_contributions": "tail",
    "losses": "risk",
    "read_network": "networks.files",
    "read_result": "store",
    "read_sweep": "sweeps.result",
    "read_system": "system",
    "reconstruct": "networks.reconstruction",
    "replay": "single_path",
    "reverse_stress": "answers.reverse",
    "sensitivities": "answers.sensitivity",
    "simulate": "simulation",
    "sobol_indices": "answers.variance_shares",
    "story": "answers.storytelling",
    "sweep": "sweeps.sweeping",
    "sweep_status": "sweeps.result",
    "value_at_risk": "risk",
    "value_network": "networks.network_valuation",
    "worst_world": "answers.attribution",
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
