# words: gamma_drawn | C++
# A function that draws, for NumPy alone, in statements that run all the time.
from brian2 import *


def draw(shape, _vectorisation_idx):
    return np.random.gamma(shape, size=len(_vectorisation_idx))


gamma_drawn = Function(draw, arg_units=[1], return_unit=1, auto_vectorise=True, stateless=False)
gamma_drawn.implementations.add_implementation('numpy', draw)
G = NeuronGroup(5, 'dv/dt = -v/(10*ms) : 1', threshold='v > 1', reset='v = 0', method='exact')  # <- here
G.run_regularly('v += 0.1*gamma_drawn(2)', dt=1*ms)
S = SpikeMonitor(G)
run(50*ms)
