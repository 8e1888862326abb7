# words: clocks
from brian2 import *

G = NeuronGroup(5, 'dv/dt = (1.5 - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='euler')
S = SpikeMonitor(G)
run(20*ms)
defaultclock.dt = 0.5*ms
run(20*ms)  # <- here
