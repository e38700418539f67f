"""Pictures of results: each function takes a matplotlib Axes, draws into it, and returns it.

They need matplotlib: ``pip install 'gpustress[pictures]'``. Nothing else of gpustress imports this package unless a
picture is asked for.
"""

try:
    import matplotlib as _matplotlib  # noqa: F401
except ImportError as _missing:
    raise ImportError(
        "gpustress.pictures draws with matplotlib, which is not installed: pip install 'gpustress[pictures]'"
    ) from _missing

from .cascade_graph import cascade_graph
from .convergence import convergence
from .failure_curves import failure_curves
from .fans import cash_fan, measure_fan
from .heat_map import heat_map
from .loss_distribution import loss_distribution
from .one_path import one_path
from .payment_flows import payment_flows
from .reverse_curve import reverse_curve
from .tornado import tornado

__all__ = [
    "cascade_graph",
    "cash_fan",
    "convergence",
    "failure_curves",
    "heat_map",
    "loss_distribution",
    "measure_fan",
    "one_path",
    "payment_flows",
    "reverse_curve",
    "tornado",
]
