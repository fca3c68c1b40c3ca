"""The report's figures, one concept a file. Each takes facts and returns an inline `<svg>` element."""
