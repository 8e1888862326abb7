"""
A night with stages
===================

A schedule says when the network is awake and asleep; a sleep may be cut into stages with gates of
their own. Both are values, and are laid out slot by slot before anything runs.
"""

import matplotlib.pyplot as plt
from brian2 import ms, second

from brainsleep import Schedule, SleepStage, nrem, rem, sleep

plt.style.use("brainsleep.figures.brainsleep")

# %%
# NREM opens the slow oscillation and the decay, REM noise and plasticity. A stage of one's own is
# a name, a share and gates. The stages come twice in every sleep.

schedule = Schedule(
    image_duration=1 * second,
    period=10 * second,
    sleep=sleep(
        0.8, stages=(SleepStage("light", 0.5, {"noise": 0.5}), nrem(2), rem(0.5)), cycles=2
    ),
)

# %%
# Compiling lays out 20 images: 20 slots of wake, and one for every stage of every sleep.

gates = ("input", "plasticity", "noise", "slow", "decay")
table = schedule.compile(20, 0, 0, gates, dt=1 * ms)
for start, steps, phase, stage in zip(
    table.starts[8:16], table.steps[8:16], table.phase[8:16], table.sleep_stage[8:16], strict=True
):
    print(f"{start / 1e3:5.1f} s  {steps / 1e3:4.1f} s  {phase:6} {stage}")

# %%
# A gate between 0 and 1 scales what it lets through.

figure, axes = plt.subplots(figsize=(7, 2.4))
for row, name in enumerate(reversed(gates)):
    axes.stairs(row + 0.8 * table.gates[name], table.starts / 1e3, baseline=row, fill=True)
axes.set(xlabel="time (s)", yticks=[0.4, 1.4, 2.4, 3.4, 4.4], yticklabels=reversed(gates))
plt.show()
