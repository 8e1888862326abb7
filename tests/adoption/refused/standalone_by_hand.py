# words: cpp_standalone
from brian2 import *

set_device('cpp_standalone', build_on_run=False)  # <- here
G = NeuronGroup(5, 'dv/dt = (1.5 - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
S = SpikeMonitor(G)
run(20*ms)
G.v = 0
run(20*ms)
device.build(directory='output', compile=True, run=True)
