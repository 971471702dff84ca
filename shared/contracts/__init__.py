"""What the units say to each other: event contracts, code lists, samples. Owned by all, decided together."""
