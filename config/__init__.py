"""Data a user copies: training recipes, a guardrails config, the starter data. No code."""
