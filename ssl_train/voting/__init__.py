"""The endpoint's votes: which texts get one, and what they teach."""
