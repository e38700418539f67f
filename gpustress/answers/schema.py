"""The columns of the tables of answers: reverse stress, sensitivities, attribution, stories (docs/results.md)."""

from __future__ import annotations

from typing import Final

from ..result_columns import ResultColumn, ResultSchema

_ERROR = ResultColumn("standard_error", "float", "of the value; null where one path cannot tell")
REVERSE_STRESS: Final = ResultSchema(
    "reverse_stress",
    "Every value on the way to the root of a reverse stress, in the order of points.",
    (
        ResultColumn(
            "point",
            "float",
            "the parameter's value; with `scale` a multiple, with `add` what is added; of a direction the amount",
        ),
        ResultColumn("value", "float", "the statistic there"),
        _ERROR,
        ResultColumn("low", "float", "lower end of its confidence interval"),
        ResultColumn("high", "float", "upper end"),
    ),
    coordinates=False,
)

_FACTOR = ResultColumn("factor", "string", "a factor")
_CENTRAL = ResultColumn("central", "float", "its value on the path without shocks")
DESIGN_POINT: Final = ResultSchema(
    "likeliest_point",
    "The likeliest path of the factors on which something happens: a row for each factor and period.",
    (
        _FACTOR,
        ResultColumn("period", "int64", "a period"),
        ResultColumn("shock", "float", "its own standard normal w in that period; eps = C^(1/2) w"),
        _CENTRAL,
        ResultColumn("value", "float", "its value on this path"),
    ),
    coordinates=False,
)

DESIGN_POINT_FACTORS: Final = ResultSchema(
    "likeliest_point_factors",
    "What each factor does on that path: a row for each factor.",
    (
        _FACTOR,
        ResultColumn("share", "float", "of the squared distance, its own shocks'; null where there are none"),
        ResultColumn(
            "period", "int64", "up to the failure (else up to the last), in which it is moved farthest"
        ),
        _CENTRAL,
        ResultColumn("value", "float", "its value on this path, in that period"),
        ResultColumn("deviations", "float", "how far its state y is moved there, in its standard deviations"),
    ),
    coordinates=False,
)

DESIGN_POINT_RAY: Final = ResultSchema(
    "likeliest_point_ray",
    "The straight way to that path and a quarter beyond: a row for each distance.",
    (
        ResultColumn("distance", "float", "from the path without shocks, in standard deviations"),
        ResultColumn("value", "float", "the measure's figure or the loss; 1 for the failure, else 0"),
        ResultColumn("failures", "int64", "entities that fail"),
    ),
    coordinates=False,
)

DESIGN_POINT_STEPS: Final = ResultSchema(
    "likeliest_point_steps",
    "The way of the search: a row for each start and step.",
    (
        ResultColumn("start", "int64", "number of a ray from which the search starts, the nearest first"),
        ResultColumn("step", "int64", "0: the ray itself"),
        ResultColumn("distance", "float", "at which the event first happens, in standard deviations"),
    ),
    coordinates=False,
)

_PARAMETER = ResultColumn("parameter", "string", "an address")
SENSITIVITIES: Final = ResultSchema(
    "sensitivities",
    "Derivatives of a statistic: a row for each parameter.",
    (
        _PARAMETER,
        ResultColumn("unstressed", "float", "its value; null where it is not one number"),
        ResultColumn("derivative", "float", "of the statistic, per unit of the parameter"),
        ResultColumn(
            "standard_error", "float", "of the derivative, paired over the same paths; null of one path"
        ),
        ResultColumn("bias", "float", "of the derivative at this step, as two steps tell it"),
        ResultColumn(
            "settled",
            "boolean",
            "whether smaller steps bear it out; where not, the statistic may jump and have no derivative",
        ),
        ResultColumn("step", "float", "that was chosen; null pathwise, as are the last two columns"),
        ResultColumn(
            "scheme",
            "string",
            "central, or where the parameter can't move both ways forward or backward; pathwise",
        ),
        ResultColumn("down", "float", "the statistic one step lower"),
        ResultColumn("up", "float", "the statistic one step higher"),
    ),
    coordinates=False,
)

SENSITIVITY_STEPS: Final = ResultSchema(
    "sensitivity_steps",
    "Every step that was tried: a row for each parameter and step, the largest first.",
    (
        _PARAMETER,
        ResultColumn("step", "float", "the step"),
        ResultColumn("derivative", "float", "the difference quotient"),
        ResultColumn("standard_error", "float", "of it, paired over the same paths; null of one path"),
    ),
    coordinates=False,
)

WORST_WORLD: Final = ResultSchema(
    "worst_world",
    "The factors on the worst paths against all paths: a row for each factor and period.",
    (
        _FACTOR,
        ResultColumn("period", "int64", "a period"),
        ResultColumn("mean", "float", "over all paths"),
        ResultColumn("worst_mean", "float", "over the worst paths; null where no path is worse than another"),
        ResultColumn("difference", "float", "worst_mean - mean"),
        ResultColumn("standard_error", "float", "of the difference; null where one path cannot tell"),
        ResultColumn(
            "deviations", "float", "the difference in standard deviations of the factor in that period"
        ),
    ),
    coordinates=False,
)

STORY: Final = ResultSchema(
    "story",
    "One path in words: a row for each sentence, by period.",
    (
        ResultColumn("period", "int64", "a period"),
        ResultColumn("label", "string", "the same as a date, e.g. 2029Q3"),
        ResultColumn("text", "string", "what happened"),
    ),
    coordinates=False,
)

SOBOL_INDICES: Final = ResultSchema(
    "sobol_indices",
    "Shares of a variance: a row for each output and factor, and for the entities' credit events.",
    (
        ResultColumn("output", "string", "loss, failures (how many), failure:ENTITY or npv:MEASURE"),
        ResultColumn("factor", "string", "a factor's own shocks, or `credit events`"),
        ResultColumn(
            "first", "float", "share of the variance that goes if it is known; null where nothing varies"
        ),
        ResultColumn("first_error", "float", "standard error of that"),
        ResultColumn("total", "float", "share of the variance that is left if all others are known"),
        ResultColumn("total_error", "float", "standard error of that"),
    ),
    coordinates=False,
)

CONVERGENCE: Final = ResultSchema(
    "convergence",
    "How an estimate settles: a row for each number of paths.",
    (
        ResultColumn("paths", "int64", "the first so many paths of the run; all in the last row"),
        ResultColumn("value", "float", "the statistic of those paths"),
        _ERROR,
        ResultColumn("low", "float", "lower end of the interval"),
        ResultColumn("high", "float", "upper end"),
    ),
    coordinates=False,
)
ANSWER_SCHEMAS: Final = (
    REVERSE_STRESS, DESIGN_POINT, DESIGN_POINT_FACTORS, DESIGN_POINT_RAY, DESIGN_POINT_STEPS, SENSITIVITIES,
    SENSITIVITY_STEPS, WORST_WORLD, STORY, SOBOL_INDICES, CONVERGENCE,
)  # fmt: skip
