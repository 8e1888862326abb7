# deterministic: spikes with the values that variables have then
from brian2 import *

layer = NeuronGroup(6, '''dv/dt = (1.2 + 0.1*i - v)/(10*ms) : 1
                          du/dt = (v - u)/(30*ms) : 1
                          number : integer''',
                    threshold='v > 0.9', reset='v = 0; number += 1', method='exact')
spikes = SpikeMonitor(layer, variables=['v', 'u', 'number'])
some = SpikeMonitor(layer[1:4], 'u')
run(80*ms)
plot(spikes.u, spikes.v, '.')
show()
