"""A site's worker: pulls studies from its PACS, trains, and calls the hub. Nobody calls it."""
