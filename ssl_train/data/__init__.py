"""The texts that a training reads: examples, pool, and what an endpoint said of them earlier."""
