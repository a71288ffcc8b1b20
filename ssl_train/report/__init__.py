"""What came out of a training, for a person: a page with plots, and a model card."""
