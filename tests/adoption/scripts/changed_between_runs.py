# deterministic: several run() calls; currents, weights, thresholds and draws change in between
from brian2 import *

seed(99)
tau = 12*ms
I_0 = 1.1

G = NeuronGroup(15, '''dv/dt = (I_0 + I - v)/tau : 1
                       I : 1
                       theta : 1 (shared)''',
                threshold='v > theta', reset='v = 0', method='exact')
G.theta = 1
G.v = 'rand()'
S = Synapses(G, G, 'w : 1', on_pre='v_post += w')
S.connect(p=0.2)
M = SpikeMonitor(G)
V = StateMonitor(G, 'v', record=[0, 14])

S.w = 0.02
run(30*ms)
G.I = 'i*0.05'
run(30*ms)
S.w = '0.05*rand()'
G.theta = 0.8
run(25*ms)
I_0 = 1.6                 # a constant of the equations
G.v[3:6] = 0
run(25*ms)
G.I[:] = 0.3*rand(15)
run(10*ms)
