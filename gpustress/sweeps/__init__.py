"""Sweeps: shards of paths and scenarios, killed and resumed, on one machine or a cluster."""
