# deterministic: capitals, and names that mean something elsewhere: w, input, noise, stimulus, sleep
from brian2 import *

W_MAX = 0.5
input = SpikeGeneratorGroup(5, [0, 1, 2, 3, 4]*4, (arange(20)*3 + 1)*ms, name='Input_Layer')
E = NeuronGroup(5, '''dV_M/dt = (noise + stimulus - V_M)/TAU : 1
                      stimulus : 1
                      noise = 0.2*sin(decay*t) : 1
                      decay : Hz
                      spiking : 1
                      spike_count : integer
                      slot_index : 1
                      gate : 1
                      A : 1''',
                threshold='V_M > THETA', reset='V_M = 0; spike_count += 1; A += 1', method='euler',
                namespace={'TAU': 8*ms, 'THETA': 0.9}, name='E')
E.stimulus = '1 + 0.1*i'
E.decay = '(10 + i)*Hz'
plasticity = Synapses(input, E, '''w : 1
                                   w_max : 1
                                   w_sign : 1
                                   interval : second
                                   dLTP/dt = -LTP/(10*ms) : 1 (event-driven)
                                   lr : 1 (constant)''',
                      on_pre='V_M_post += w*w_sign; LTP += 1',
                      on_post='w = clip(w + lr*LTP, 0, w_max); spiking_post = 1 - spiking_post',
                      name='Plasticity_Syn_1')
plasticity.connect(condition='i >= j')
plasticity.w = 0.1
plasticity.w_max = W_MAX
plasticity.w_sign = '1 - 2*int(j == 4)'
plasticity.lr = 0.05
sleep = StateMonitor(E, ['V_M', 'noise', 'A', 'spiking', 'spike_count'], record=True)
wake = StateMonitor(plasticity, 'w', record=True, dt=1*ms)
Spikes = SpikeMonitor(E, name='spikes')
result = PopulationRateMonitor(E)
run(70*ms)
