# deterministic: a link to a subexpression of a group of one
from brian2 import *

tonic = NeuronGroup(1, 'level = 0.2 + 0.1*sin(2*pi*10*Hz*t) : 1')
fast = NeuronGroup(4, '''dv/dt = (1.5 + common - v)/(9*ms) : 1
                         common : 1 (linked)''', threshold='v > 1', reset='v = 0', method='euler')
fast.common = linked_var(tonic, 'level')
M = SpikeMonitor(fast)
run(100*ms)
