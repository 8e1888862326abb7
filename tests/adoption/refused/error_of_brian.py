# words: wrong_name
# A mistake that Brian2 itself finds, when it begins to run.
from brian2 import *

G = NeuronGroup(5, 'dv/dt = (wrong_name - v)/(10*ms) : 1', method='euler')  # <- here
run(10*ms)
