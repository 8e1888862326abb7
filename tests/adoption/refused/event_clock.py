# words: EventClock
# Statements at times of one's own choice.
from brian2 import *

G = NeuronGroup(5, 'dv/dt = (1.5 - v)/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')
kicks = EventClock([3, 7.5, 8]*ms)
G.run_regularly('v += 0.3', clock=kicks)  # <- here
S = SpikeMonitor(G)
run(20*ms)
