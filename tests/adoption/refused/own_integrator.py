# words: method
from brian2 import *

half_step = ExplicitStateUpdater('''k = dt*f(x, t)
                                    x_new = x + 0.5*k''')
G = NeuronGroup(5, 'dv/dt = (1.5 - v)/(5*ms) : 1', threshold='v > 1', reset='v = 0', method=half_step)  # <- here
S = SpikeMonitor(G)
run(20*ms)
