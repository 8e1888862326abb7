"""
A first study: with and without sleep
=====================================

The network of Massey et al. (2026) as released learns handwritten digits, once awake all the time
and once with 20 % sleep. Same seed, same data, same weights at the start: what differs is sleep.
"""

import tempfile

import matplotlib.pyplot as plt

from brainsleep import simulate
from brainsleep.analysis.metrics import WEIGHT_STATISTICS
from brainsleep.protocols.demo import PROTOCOL

plt.style.use("brainsleep.figures.brainsleep")

# %%
# A protocol is a value; every part of it can be changed by its key. Here are fewer images than in
# the demo, so that it runs in seconds. `simulate` compiles the network where there is a C++
# compiler.

short = PROTOCOL.override(
    {"data.n_train": 175, "data.n_readout": 100, "data.n_test": 100, "record.raster": ()}
)
out = tempfile.mkdtemp()  # a folder of results; yours would be one that stays
results = {
    name: simulate(short.override({"schedule.sleep.fraction": fraction}), seed=1, out=out)
    for name, fraction in (("no sleep", 0.0), ("20 % sleep", 0.2))
}

# %%
# Statistics of the weights are taken now and then during a run. Without sleep the weights onto
# excitatory neurons run away; in sleep they decay.

mean = WEIGHT_STATISTICS.index("mean")
figure, panels = plt.subplots(1, 2, figsize=(7, 2.6), sharey=True)
for name, result in results.items():
    for axes, projection in zip(panels, ("input_e", "ee"), strict=True):
        axes.plot(
            result.arrays["stat_times_s"], result.arrays[f"stats/{projection}"][:, mean], label=name
        )
        axes.set(title=projection, xlabel="time (s)", yscale="log")
panels[0].set_ylabel("mean weight")
panels[0].legend()
plt.show()

# %%
# What it means for the readout takes longer to see, and depends on how fast inhibition learns
# (``brainsleep compare demo``).

for name, result in results.items():
    metrics = result.metrics
    print(
        f"{name:11} E rate {metrics['rate_test_e_hz']:6.1f} Hz, "
        f"summed weight {metrics['growth']:.2f} times the initial, "
        f"accuracy {100 * metrics['network_accuracy']:.0f} %"
    )
