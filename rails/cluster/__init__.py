"""More than one machine, with Ray: replicas of the HTTP service, and what batch scoring needs of a cluster."""
