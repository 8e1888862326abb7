# deterministic: links of many kinds: by a number of their own, to a part, by way of what is shared
from brian2 import *

common = NeuronGroup(1, '''dx/dt = (sin(2*pi*20*Hz*t) - x)/(10*ms) : 1
                           twice = 2*x : 1''', method='euler')
sources = NeuronGroup(6, '''dy/dt = (y0 - y)/(15*ms) : 1
                            y0 : 1
                            squared = y**2 + 0.1*i : 1''', method='euler')
sources.y0 = '0.4*i'
cells = NeuronGroup(3, '''dv/dt = (level + own + 0.5*other + part - v)/(9*ms) : 1
                          level = 1 + common_x**2 : 1 (shared)
                          common_x : 1 (linked)
                          own : 1 (linked)
                          other : 1 (linked)
                          part : 1 (linked)
                          who : integer''', threshold='v > 1.5', reset='v = 0', method='euler')
cells.common_x = linked_var(common, 'twice')
cells.who = [4, 0, 4]
cells.own = linked_var(sources, 'squared', index='who')
cells.other = linked_var(sources, 'y', index=[5, 5, 1])
middle = sources[2:5]
cells.part = linked_var(middle, 'y')
M = SpikeMonitor(cells)
T = StateMonitor(cells, 'v', record=True)
run(60*ms)
cells.who = [1, 2, 3]
run(60*ms)
