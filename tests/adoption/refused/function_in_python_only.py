# words: sigmoid | C++
from brian2 import *


@check_units(x=1, result=1)
def sigmoid(x):
    return 1/(1 + np.exp(-x))


G = NeuronGroup(5, 'dv/dt = (2*sigmoid(v) - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0',  # <- here
                method='euler')
S = SpikeMonitor(G)
run(50*ms)
