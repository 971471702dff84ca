"""サンプル市（架空）。A deterministic fictional city: people, ten years of history, deliberate faults, and the truth about them."""
