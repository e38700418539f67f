"""Which lines a measure adds up: flows by name or kind, and the non-cash lines of capex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .schema import DEPRECIATION, IMPAIRMENT, KIND_PREFIX
from .tables import floats, strings

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from .parameters import Flows


@dataclass(frozen=True)
class MeasureLines:
    """The measures table, kinds resolved: one entry for each line that a measure adds.

    Attributes
    ----------
    names : tuple of str
        Measures in the order in which the table first names them.
    measure, line : ndarray (entries,) of int32
        Index into `names`; flow f, F + c (depreciation) or F + C + c (impairment of capex c).
    weight : ndarray (entries,)
    """

    names: tuple[str, ...]
    measure: NDArray[np.int32]
    line: NDArray[np.int32]
    weight: NDArray[np.float64]

    @property
    def count(self) -> int:
        """Number of measures."""
        return len(self.names)


def expand_lines(table: pa.Table, flows: Flows, capex: NDArray[np.int32]) -> MeasureLines:
    """Resolve the measures table against the flows; `capex` (C,) are the flows that are written down."""
    flow_count, capex_count = len(flows.names), len(capex)
    lines_of = {name: [flow] for name, flow in flows.index.items()}
    for flow_name, kind in zip(flows.names, flows.kinds, strict=True):
        if kind == "capex":  # without a life it is an expense: its non-cash lines are there, and empty
            lines_of |= {f"{flow_name}:{DEPRECIATION}": [], f"{flow_name}:{IMPAIRMENT}": []}
    for number, flow in enumerate(capex):
        lines_of[f"{flows.names[flow]}:{DEPRECIATION}"] = [flow_count + number]
        lines_of[f"{flows.names[flow]}:{IMPAIRMENT}"] = [flow_count + capex_count + number]
    by_kind: dict[str, list[int]] = {}
    for flow, kind in enumerate(flows.kinds):
        by_kind.setdefault(kind, []).append(flow)

    names: dict[str, int] = {}
    measure, line, weight = [], [], []
    columns = (strings(table, "measure"), strings(table, "flow"), floats(table, "weight"))
    for name, line_name, row_weight in zip(*columns, strict=True):
        number = names.setdefault(str(name), len(names))
        target = str(line_name)
        # A line by its own name comes first: a capex flow may be named `kind`.
        lines = lines_of[target] if target in lines_of else by_kind.get(target.removeprefix(KIND_PREFIX), [])
        measure += [number] * len(lines)
        line += lines
        weight += [row_weight] * len(lines)
    return MeasureLines(
        tuple(names),
        np.array(measure, dtype=np.int32),
        np.array(line, dtype=np.int32),
        np.array(weight, dtype=np.float64),
    )
