# deterministic: explicit Network(collect()), namespace as a dict, one delay for all, capitals
import brian2 as b2
from brian2 import Network, NeuronGroup, SpikeMonitor, StateMonitor, Synapses, collect, ms, mV

b2.seed(5)
b2.prefs.codegen.target = 'numpy'

NS = {
    'TAU_M': 20*ms, 'TAU_E': 5*ms, 'TAU_I': 10*ms,
    'V_T': -50*mV, 'V_R': -60*mV, 'E_L': -49*mV,
    'W_E': 1.62*mV, 'W_I': -9*mV,
}

MODEL = '''
dV/dt = (G_E + G_I - (V - E_L))/TAU_M : volt (unless refractory)
dG_E/dt = -G_E/TAU_E : volt
dG_I/dt = -G_I/TAU_I : volt
'''

CELLS = NeuronGroup(200, MODEL, threshold='V > V_T', reset='V = V_R', refractory=5*ms,
                    method='linear', namespace=NS, name='CELLS')
CELLS.V = V_START = (-60 + 10*b2.rand(200))*mV

EXC = Synapses(CELLS[:160], CELLS, on_pre='G_E += W_E', namespace=NS, delay=1.5*ms)
EXC.connect(condition='i != j', p=0.1)
INH = Synapses(CELLS[160:], CELLS, on_pre='G_I += W_I', namespace=NS, delay=0.8*ms)
INH.connect(p=0.1)

SPIKES = SpikeMonitor(CELLS)
STATES = StateMonitor(CELLS, ['V', 'G_E', 'G_I'], record=[3, 170])

net = Network(collect())
net.run(120*ms)

print('spikes:', SPIKES.num_spikes)
