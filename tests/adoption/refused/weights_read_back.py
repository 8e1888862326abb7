# words: S | w | read
# Weights scaled between runs by what plasticity has made of them.
from brian2 import *

G = NeuronGroup(5, 'dv/dt = (1.5 - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
S = Synapses(G, G, 'w : 1', on_pre='v_post += w', on_post='w += 0.01')
S.connect('i != j')
S.w = 0.05
spikes = SpikeMonitor(G)
run(30*ms)
S.w = S.w/mean(S.w)*0.05  # <- here
run(30*ms)
