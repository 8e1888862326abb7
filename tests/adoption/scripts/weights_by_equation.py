# deterministic: weights that follow an equation; one weight for all synapses; kept between runs
from brian2 import *

rates = NeuronGroup(6, '''f = 1/(1 + exp(-u)) : 1
                          du/dt = (drive + 0.2*i - u)/(20*ms) : 1
                          drive : 1''', threshold='u > 0.5', reset='u = 0', method='euler')
learned = Synapses(rates, rates, '''dw/dt = (f_pre*f_post - w**2)/(50*ms) : 1 (clock-driven)
                                    drive_post = w*f_pre : 1 (summed)''', method='euler')
learned.connect(condition='i != j')
learned.w = '0.1*i'
same = Synapses(rates, rates, 'w : 1 (shared)', on_pre='u_post += w')
same.connect(condition='i < j')
same.w = 0.05
spikes = SpikeMonitor(rates)
traces = StateMonitor(learned, 'w', record=True, dt=1*ms)
mean_weights, counts = [], []
for _ in range(3):
    run(40*ms)
    mean_weights.append(mean(learned.w[:]))
    counts.append(spikes.num_spikes)
print(mean_weights, counts)
