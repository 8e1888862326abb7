# words: Logger | BrianObject
from brian2 import *


class Logger(BrianObject):
    def __init__(self, group):
        super().__init__(dt=1*ms, when='end', name='logger*')
        self.group = group
        self.kept = []

    def run(self):
        self.kept.append(float(self.group.v[0]))


G = NeuronGroup(5, 'dv/dt = (1.5 - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
log = Logger(G)  # <- here
run(20*ms)
