# words: spikes | read
from brian2 import *

G = NeuronGroup(5, 'dv/dt = (I - v)/(10*ms) : 1\nI : 1', threshold='v > 1', reset='v = 0', method='exact')
G.I = 1.2
spikes = SpikeMonitor(G)
run(30*ms)
if spikes.num_spikes < 40:  # <- here
    G.I = 3
run(30*ms)
