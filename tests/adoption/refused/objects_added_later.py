# words: late
from brian2 import *

G = NeuronGroup(5, 'dv/dt = (1.5 - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
S = SpikeMonitor(G)
net = Network(G, S)
net.run(20*ms)
late = NeuronGroup(3, 'dx/dt = -x/(10*ms) : 1', threshold='x > 1', reset='x = 0', method='exact', name='late')
syn = Synapses(G, late, on_pre='x_post += 0.6', name='to_late')
syn.connect(j='i % 3')
net.add(late, syn)
net.run(20*ms)  # <- here
