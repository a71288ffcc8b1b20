"""The HTTP service: one file a protocol, before which one gate stands; ``server.serve`` runs it."""
