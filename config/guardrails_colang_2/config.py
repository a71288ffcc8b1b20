"""NeMo Guardrails calls ``init`` when it loads this folder: it loads the models and registers RailMatch's actions."""

from railmatch.rails import init

__all__ = ["init"]
