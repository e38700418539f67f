"""Who fails, by the level of outside investors' money for the labs: the table in the README.

python examples/ai_buildout/funding_level.py [PATHS]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import gpustress as gs

HERE = Path(__file__).parent
ADDRESS = "flow.investor_money.scale"
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
SHOWN = ("openai", "anthropic", "coreweave", "oracle", "private_credit", "banks")


def table(paths: int, seed: int = 1) -> str:
    """The table as Markdown: failure probabilities by 2035, in percent, all on the same draws."""
    system = gs.read_system(HERE)
    names = system.tables["flows"]["name"].to_pylist()
    money = system.tables["flows"]["amount"][names.index("investor_money")].as_py()
    run = gs.simulate(system, gs.Scenarios.grid({ADDRESS: LEVELS}), paths=paths, seed=seed)
    failed = np.mean(run.failed_at < run.periods, axis=1)
    lines = [
        "| outside money, billion USD a year | " + " | ".join(SHOWN) + " |",
        "|--:|" + "--:|" * len(SHOWN),
    ]
    for level, shares in zip(LEVELS, failed, strict=True):
        by_name = dict(zip(run.entities, shares, strict=True))
        cells = " | ".join(f"{100 * by_name[name]:.1f}" for name in SHOWN)
        chosen = " (chosen)" if level == 1.0 else ""
        lines.append(f"| {level * money / 1e9:.0f}{chosen} | {cells} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
