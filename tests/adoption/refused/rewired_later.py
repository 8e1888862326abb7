# words: S
from brian2 import *

G = NeuronGroup(5, 'dv/dt = (1.5 - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
S = Synapses(G, G, on_pre='v_post += 0.1', name='S')
S.connect(i=0, j=1)
M = SpikeMonitor(G)
run(20*ms)
S.connect(i=2, j=[3, 4])
run(20*ms)  # <- here
