"""The model, and judging text with it: knows neither training, nor NeMo Guardrails, nor HTTP."""
