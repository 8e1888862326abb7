# deterministic: events of one's own, what they do, synapses and monitors of them
from brian2 import *

g_cells = NeuronGroup(20, '''dv/dt = (I - v - a)/(10*ms) : 1
                             da/dt = -a/(50*ms) : 1
                             I : 1
                             n_high : integer
                             last_high : second''',
                      threshold='v > 1', reset='v = 0',
                      events={'high': 'v > 0.8 and v <= 1 and t - last_high > 2*ms', 'calm': 'v < 0.2 and a > 0.3'},
                      method='euler')
g_cells.I = '1.05 + i*0.1'
g_cells.last_high = -1*second
g_cells.run_on_event('high', '''a += 0.1
                                n_high += 1
                                last_high = t''')
g_cells.run_on_event('calm', 'a *= 0.5')

reader = NeuronGroup(20, 'dx/dt = -x/(20*ms) : 1', method='exact')
syn = Synapses(g_cells, reader, on_pre='x_post += 0.2', on_event='high')
syn.connect(j='i')
more = Synapses(g_cells, reader, on_pre={'up': 'x_post += 1', 'down': 'x_post *= 0.8'},
                on_event={'up': 'spike', 'down': 'calm'})
more.connect(j='19 - i')

all_spikes = SpikeMonitor(g_cells)
highs = EventMonitor(g_cells, 'high', variables=['a', 'n_high'])
calms = EventMonitor(g_cells, 'calm')
x_mon = StateMonitor(reader, 'x', record=True, dt=1*ms)
run(100*ms)
print(all_spikes.num_spikes, highs.num_events, calms.num_events)
