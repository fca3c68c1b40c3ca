"""What stands at a site: its PACS, the studies in it, and the client that pulls them."""
