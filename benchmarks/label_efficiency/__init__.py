"""The parts of the benchmark ``benchmarks/label_efficiency.py``."""
