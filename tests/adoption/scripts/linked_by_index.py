# deterministic: linked variables by index, several readers of one neuron
from brian2 import *

slow = NeuronGroup(4, 'dx/dt = (x0 - x)/(30*ms) : 1\nx0 : 1', method='exact')
slow.x0 = [0.8, 1.2, 1.6, 2]
fast = NeuronGroup(8, '''dv/dt = (2*drive - v)/(9*ms) : 1
                         drive : 1 (linked)''', threshold='v > 1', reset='v = 0', method='euler')
fast.drive = linked_var(slow, 'x', index=[0, 0, 1, 1, 2, 2, 3, 3])
M = SpikeMonitor(fast)
run(100*ms)
