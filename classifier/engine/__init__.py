"""Who runs the forward passes when many requests come at once: ``batching.Engine``."""
