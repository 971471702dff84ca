"""総合相談窓口: receives consultations, keeps who lives with whom, and is the only unit that knows names."""
