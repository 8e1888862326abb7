"""
From results to a table
=======================

Results lie in a folder, each named by a hash of what decides it. A table has one row a run and
settings and metrics as columns, ready for pandas.
"""

import tempfile

import matplotlib.pyplot as plt

from brainsleep import simulate, tabulate
from brainsleep.protocols.geometric import PROTOCOL

plt.style.use("brainsleep.figures.brainsleep")

# %%
# A small sweep: two fractions of sleep, two seeds, on four noisy geometric figures. On a command
# line this is ``brainsleep sweep run geometric --over schedule.sleep.fraction=0,0.2 --seeds 2``.

small = PROTOCOL.override({"data.n_train": 70, "data.n_readout": 60, "data.n_test": 60})
out = tempfile.mkdtemp()
for fraction in (0.0, 0.2):
    for seed in (0, 1):
        simulate(small.override({"schedule.sleep.fraction": fraction}), seed=seed, out=out)

# %%
# The same run is not simulated twice: this returns what is stored.

again = simulate(small.override({"schedule.sleep.fraction": 0.2}), seed=1, out=out)
print(again.path.name)

# %%
# One row a run.

frame = tabulate(out)
columns = ["sleep_fraction", "seed", "growth", "rate_test_e_hz", "network_accuracy"]
print(frame[columns].to_string(index=False))

# %%
# And from there whatever pandas does.

figure, axes = plt.subplots(figsize=(3.4, 2.6))
for seed, rows in frame.groupby("seed"):
    axes.plot(rows["sleep_fraction"], rows["growth"], "o-", label=f"seed {seed}")
axes.set(xlabel="sleep fraction", ylabel="summed weight / initial", yscale="log")
axes.legend()
plt.show()
