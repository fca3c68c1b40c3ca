"""Federated training over a world: the hub, the workers, the emulated clock, and the record of every run."""
