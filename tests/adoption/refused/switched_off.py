# words: active | G
from brian2 import *

G = NeuronGroup(5, 'dv/dt = (1.5 - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact', name='G')
S = SpikeMonitor(G)
run(20*ms)
G.state_updater.active = False
run(20*ms)  # <- here
