# deterministic: n synapses a pair, multisynaptic index, delays that depend on it
from brian2 import *

clocked = SpikeGeneratorGroup(2, [0, 1, 0, 1], [2, 7, 30, 31]*ms)
dendrite = NeuronGroup(3, 'dv/dt = -v/tau : volt', threshold='v > 9*mV', reset='v = 0*mV',
                       method='exact', namespace={'tau': 6*ms})
S = Synapses(clocked, dendrite, '''w : volt
                                   branch_number : integer (constant)''',
             on_pre='v_post += w*exp(-branch_number/3.0)', multisynaptic_index='branch')
S.connect(i=[0, 0, 1], j=[0, 1, 2], n=4)
S.connect(i=1, j=0, n=2)
S.w = '(6 + 1.5*branch + i)*mV'
S.branch_number = 'branch'
S.delay = '(1 + 3*branch)*ms'

mon_v = StateMonitor(dendrite, 'v', record=True)
mon_s = SpikeMonitor(dendrite)
run(60*ms)
print(S.N_outgoing_pre, len(S))
