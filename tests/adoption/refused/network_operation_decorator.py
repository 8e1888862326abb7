# words: NetworkOperation | run_regularly
from brian2 import *

G = NeuronGroup(5, 'dv/dt = (1.5 - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
S = SpikeMonitor(G)


@network_operation(dt=1*ms)  # <- here
def watch(t):
    if S.num_spikes > 20:
        G.v = 0


run(50*ms)
