"""How classifiers are made from few labels, many unlabelled texts and an LLM endpoint's rewrites."""
