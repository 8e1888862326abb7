# deterministic: store() and restore(); a branch that is run, left, and run again otherwise
from brian2 import *

tau = 10*ms
A = NeuronGroup(10, '''dv/dt = (I - v)/tau : 1
                       I : 1''', threshold='v > 1', reset='v = 0', method='exact')
A.I = '1.2 + 0.1*i'
B = NeuronGroup(10, 'dv/dt = -v/tau : 1', threshold='v > 0.4', reset='v = 0', method='exact')
AB = Synapses(A, B, 'w : 1', on_pre='v_post += w\nw = clip(w + 0.01, 0, 0.5)', delay=2*ms)
AB.connect(j='i')
AB.w = 0.3
spikes_a = SpikeMonitor(A)
spikes_b = SpikeMonitor(B)
store('start')
run(40*ms)
store('warm')
A.I = 3
run(20*ms)
restore('warm')           # what the strong current did is gone
A.I = 0.5
run(30*ms)
A.I = 2
run(30*ms)
