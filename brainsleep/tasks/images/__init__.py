"""Labelled images: data sets, encoders, and how well a readout tells classes apart."""
