"""Judge whole data sets, such as logs: read, judged and written a part at a time, and gone on with after an end."""
