# deterministic: shared, constant, constant over dt, integer, boolean, subexpressions of subexpressions
from brian2 import *

cells = NeuronGroup(10, '''dv/dt = (total - v)/tau : 1 (unless refractory)
                           s : 1 (shared)
                           tau : second (constant)
                           base : 1 (shared, constant)
                           swing = 0.3*sin(2*pi*25*Hz*t) : 1 (shared)
                           frozen = v*0.1 + swing : 1 (constant over dt)
                           total = base + swing + extra*int(on) + 0.5*s - frozen : 1
                           extra : 1
                           on : boolean
                           n_spikes : integer
                           group : integer (constant)''',
                    threshold='v > 1 + 0.02*n_spikes', reset='''v = 0
                                                            n_spikes += 1
                                                            on = not on''',
                    refractory=0.5*ms, method='euler', dtype={'extra': float64})
cells.tau = '(8 + i)*ms'
cells.base = 1.1
cells.group = 'i // 3'
cells.extra = '0.2*group'
cells.on = 'group > 0'
cells.run_regularly('s += 0.025*(1 - s)', dt=1*ms)

pairs = Synapses(cells, cells, '''w : 1
                                  total_w = w*(1 + 0.1*n_seen) : 1
                                  n_seen : integer
                                  active_syn : boolean (constant)
                                  scale : 1 (shared)''',
                 on_pre='''n_seen = clip(n_seen + 1, 0, 5)
                           v_post += total_w*scale*int(active_syn)''')
pairs.connect('group_pre == group_post and i != j')
pairs.w = '0.01*(i + 1)'
pairs.active_syn = 'i < j'
pairs.scale = 1.5
events = SpikeMonitor(cells)
traces = StateMonitor(cells, ['v', 'on', 'frozen', 's', 'total'], record=True, dt=0.5*ms)
seen = StateMonitor(pairs, ['n_seen', 'total_w'], record=True, dt=2*ms)
run(90*ms)
