# words: Fussy
# A subclass that does something of its own before every run.
from brian2 import *


class Fussy(NeuronGroup):
    def before_run(self, run_namespace):
        self.v = 0.5
        super().before_run(run_namespace)


G = Fussy(5, 'dv/dt = (1.5 - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')  # <- here
S = SpikeMonitor(G)
run(20*ms)
run(20*ms)
