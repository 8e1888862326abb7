# words: TypeError
# Objects kept in a container that Brian2's Network cannot look into.
from brian2 import *


class Model:
    def __init__(self):
        self.cells = NeuronGroup(5, 'dv/dt = (1.5 - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0',
                                 method='exact')
        self.spikes = SpikeMonitor(self.cells)


net = Network(Model())  # <- here
net.run(20*ms)
