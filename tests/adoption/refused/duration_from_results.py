# words: S | read
from brian2 import *

G = NeuronGroup(5, 'dv/dt = (1.5 - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
S = SpikeMonitor(G)
run(30*ms)
run(S.t[-1] + 5*ms)  # <- here
