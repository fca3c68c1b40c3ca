"""The hub: gives orders, hands out models, takes updates in, and keeps the run."""
