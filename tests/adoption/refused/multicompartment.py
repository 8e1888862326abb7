# words: SpatialNeuron
# A cable with a spike-like current in its middle.
from brian2 import *

morpho = Cylinder(length=300*um, diameter=1*um, n=20)
cable = SpatialNeuron(morpho, 'Im = 1e-4*siemens/cm**2*(-70*mV - v) : amp/meter**2\nI : amp (point current)',  # <- here
                      Cm=1*uF/cm**2, Ri=150*ohm*cm)
cable.v = -70*mV
cable.I[10] = 0.1*nA
M = StateMonitor(cable, 'v', record=[0, 10])
run(5*ms)
