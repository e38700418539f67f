"""What pictures are asked with: what is of another kind than is meant is refused by its name."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes

from ..answers.reverse import ReverseStress
from ..arguments import is_number, whole_number
from ..errors import bad_argument
from ..settings import Settings
from ..single_path import Replay

_MEANT: Final[dict[type, tuple[Any, str, str]]] = {
    Axes: (Axes, "is no Axes", "Give one of matplotlib's, e.g. that of plt.subplots()."),
    Replay: (Replay, "is no Replay", "Make one with replay(system, path=...)."),
    ReverseStress: (ReverseStress, "is no ReverseStress", "Make one with reverse_stress(system, ...)."),
    Settings: (Settings, "is no Settings", "Give that of the system, system.settings."),
    bool: (bool | np.bool_, "is neither True nor False", "Give one of them."),
    str: (str, "is no text", 'Give text, "" for none.'),
}


def check_kind(kind: type, **given: Any) -> None:
    """Refuse arguments, by name, that are not of a kind of _MEANT.

    Raises
    ------
    InputError
    """
    meant, message, remedy = _MEANT[kind]
    for argument, value in given.items():
        if not isinstance(value, meant):
            raise bad_argument(argument, value, message, remedy)


def check_finite(**given: Any) -> None:
    """Refuse arguments, by name, that are no finite numbers.

    Raises
    ------
    InputError
    """
    for argument, value in given.items():
        if not is_number(value):
            raise bad_argument(argument, value, "is no finite number", "Write e.g. 0.0.")


def check_most(most: Any) -> None:
    """Refuse what is no number of things to draw.

    Raises
    ------
    InputError
    """
    number = whole_number(most)
    if number is None or number < 1:
        raise bad_argument(
            "most", most, "is no number of things to draw", "Give a whole number of at least 1."
        )
