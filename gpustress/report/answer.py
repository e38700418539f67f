"""What else was asked about a run, for its report to tell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """One question about a run with the figure that answers it, e.g. of a reverse stress test.

    Attributes
    ----------
    question : str
        As it follows "What would avert it?", e.g. "AI revenue, as a multiple of what is assumed, at which ai_net
        breaks even in the mean".
    value : float or None
        None: there is no such value within the bounds that were searched.
    low, high : float, optional
        Its 95 % interval.
    unit : str
        Written behind the figure; "" where the question says it.
    """

    question: str
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
