# stochastic: noise drawn at every step by run_regularly, two kinds of cells in one group
# After Izhikevich (2003), a tenth.
from brian2 import *

seed(17)
defaultclock.dt = 0.5*ms
Ne, Ni = 80, 20
eqs = '''
dv/dt = (0.04*v**2 + 5*v + 140 - u + I + I_syn)/ms : 1
du/dt = a*(b*v - u)/ms : 1
dI_syn/dt = -I_syn/(1*ms) : 1
I : 1
a : 1 (constant)
b : 1 (constant)
c : 1 (constant)
d : 1 (constant)
size : 1 (constant)
'''
G = NeuronGroup(Ne + Ni, eqs, threshold='v >= 30', reset='v = c; u += d', method='euler')
re, ri = rand(Ne), rand(Ni)
G.a = r_[0.02*ones(Ne), 0.02 + 0.08*ri]
G.b = r_[0.2*ones(Ne), 0.25 - 0.05*ri]
G.c = r_[-65 + 15*re**2, -65*ones(Ni)]
G.d = r_[8 - 6*re**2, 2*ones(Ni)]
G.size = r_[5*ones(Ne), 2*ones(Ni)]
G.v = -65
G.u = 'b*v'
G.run_regularly('I = size*randn()', dt=1*ms)
S = Synapses(G, G, 'w : 1', on_pre='I_syn_post += w')
S.connect(p=0.5)
S.w = 'rand()*2'
S.w['i >= Ne'] = '-rand()*4'
spikemon = SpikeMonitor(G)
seed()
run(250*ms)
plot(spikemon.t/ms, spikemon.i, '.')
show()
