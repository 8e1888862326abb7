# words: schedule
from brian2 import *

G = NeuronGroup(5, 'dv/dt = (1.5 - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
S = Synapses(G, G, on_pre='v_post += 0.1')
S.connect('i != j')
M = SpikeMonitor(G)
net = Network(G, S, M)
net.schedule = ['start', 'synapses', 'groups', 'thresholds', 'resets', 'end']
net.run(20*ms)  # <- here
