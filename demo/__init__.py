"""The demonstration behind ``make demo``: trains both classifiers on the starter data and guards a chat with them."""
