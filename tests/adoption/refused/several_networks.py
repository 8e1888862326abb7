# words: network
# One network after the other, each made anew: several protocols, not one.
from brian2 import *


def rate_of(current):
    start_scope()
    G = NeuronGroup(5, 'dv/dt = (current - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
    M = SpikeMonitor(G)
    run(30*ms)  # <- here
    return M


monitors = [rate_of(c) for c in (1.1, 1.5, 2)]
