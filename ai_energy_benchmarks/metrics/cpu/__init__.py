"""Processor time of the workload, its share, and the energy modelled from it."""
