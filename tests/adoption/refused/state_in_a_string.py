# words: v
# Between runs a variable is set by a string that reads what the simulation has made of it.
from brian2 import *

G = NeuronGroup(5, 'dv/dt = (1.5 + 0.1*i - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
S = SpikeMonitor(G)
run(30*ms)
G.v = 'v*0.5 + 0.1'  # <- here
run(30*ms)
