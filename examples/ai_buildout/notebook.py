# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
# ---

# %% [markdown]
# # The AI build-out, step by step
# Open this file as a notebook (VS Code, or Jupyter with jupytext), or run it as a script.

# %%
from pathlib import Path

import gpustress as gs

PATHS = 2_000
here = Path(__file__).parent if "__file__" in globals() else Path("examples/ai_buildout")
system = gs.read_system(here)
system

# %% [markdown]
# Every scenario sees the same draws, and runs twice: with each entity judged alone, and with all effects.

# %%
run = gs.simulate(
    system,
    paths=PATHS,
    seed=7,
    effects=["first_round", "full"],
    record=["cash:coreweave", "measure:oracle_capacity"],
)
run

# %% [markdown]
# Who takes whom along?

# %%
links = gs.failure_links(run).to_pandas().query("scenario == 'base/full'")
links.sort_values("probability", ascending=False)

# %%
import matplotlib.pyplot as plt

from gpustress import pictures

figure, ((a, b), (c, d)) = plt.subplots(2, 2, figsize=(13, 9), layout="constrained")
pictures.failure_curves(run, a)
pictures.cascade_graph(run, b)
pictures.cash_fan(run, c, "coreweave")
pictures.measure_fan(run, d, "oracle_capacity")

# %% [markdown]
# What does the lender's book lose, and how sure is that?

# %%
figure, (a, b) = plt.subplots(1, 2, figsize=(13, 4.5), layout="constrained")
pictures.loss_distribution(run, a)
loss = gs.losses(run)[run.scenarios.index("base/full")]
pictures.convergence(loss, b, statistic="expected_shortfall", level=0.95, what="ES 95 %", currency="USD")

# %% [markdown]
# One path in full: who pays whom a year before the first failure of the worst path?

# %%
worst = int(loss.argmax())
replay = gs.replay(system, scenario="base", path=worst, seed=7)
replay.events.to_pandas()
figure, a = plt.subplots(figsize=(9, 6), layout="constrained")
pictures.payment_flows(
    replay, a, max(0, replay.events["period"][0].as_py() - 4), settings=system.settings, outside=False
)

# %% [markdown]
# The whole of it as one page to mail: `run.report("report.html")`.
