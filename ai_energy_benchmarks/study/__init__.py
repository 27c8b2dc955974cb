"""Several benchmarks, each in a process of its own."""
