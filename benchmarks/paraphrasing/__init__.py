"""The parts of ``benchmarks/paraphraser.py``."""
