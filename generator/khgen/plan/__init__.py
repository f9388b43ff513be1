"""The plan: a checked spec with every default filled and every name, address and port computed."""
