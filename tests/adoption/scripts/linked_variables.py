# deterministic: linked variables, one for all, one each; subgroups of subgroups
from brian2 import *

slow = NeuronGroup(8, 'dx/dt = (x0 - x)/(30*ms) : 1\nx0 : 1', method='exact')
slow.x0 = '0.5 + 0.2*i'
tonic = NeuronGroup(1, 'dlevel/dt = (0.3 - level)/(40*ms) : 1', method='exact')

fast = NeuronGroup(8, '''dv/dt = (drive + common - v)/(9*ms) : 1
                         drive : 1 (linked)
                         common : 1 (linked)''',
                   threshold='v > 1', reset='v = 0', method='euler')
fast.drive = linked_var(slow, 'x')
fast.common = linked_var(tonic, 'level')

partner = NeuronGroup(8, '''dv/dt = (2*src - v)/(9*ms) : 1
                            src : 1 (linked)''', threshold='v > 1', reset='v = 0', method='euler')
partner.src = linked_var(slow, 'x')

fast.v[:2] = 0.9
plain = NeuronGroup(8, 'dv/dt = (1.2 + 0.1*i - v)/(11*ms) : 1', threshold='v > 1', reset='v = 0',
                    method='exact')
upper = plain[4:]
top = upper[2:]
top.v = 0.5
lateral = Synapses(upper, partner, on_pre='v_post += 0.1')
lateral.connect(j='2*i')

m_fast = SpikeMonitor(fast)
m_top = SpikeMonitor(top)
m_partner = SpikeMonitor(partner)
v_upper = StateMonitor(upper, 'v', record=[0, 3])
x_slow = StateMonitor(slow, 'x', record=True)
run(100*ms)
