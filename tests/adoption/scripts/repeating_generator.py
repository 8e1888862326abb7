# deterministic: SpikeGeneratorGroup with a period, another one unsorted, spikes set anew
from brian2 import *

rhythm = SpikeGeneratorGroup(4, [0, 1, 2, 3, 0], [0, 2, 4, 6, 7]*ms, period=10*ms)
once = SpikeGeneratorGroup(4, [3, 0, 2], [55, 5, 25]*ms)
once.set_spikes([3, 0, 2, 2], [50, 5, 25, 26]*ms)

P = NeuronGroup(4, 'dv/dt = -v/(7*ms) : 1', threshold='v > 0.55', reset='v = 0', method='exact')
Synapse1 = Synapses(rhythm, P, on_pre='v += 0.3')
Synapse1.connect(condition='i == j or i + 1 == j')
Synapse2 = Synapses(once, P, on_pre='v += 0.5')
Synapse2.connect('i==j')

in_mon = SpikeMonitor(rhythm)
P_mon = SpikeMonitor(P, record=True)
P_state = StateMonitor(P, 'v', record=True)
run(75*ms)
