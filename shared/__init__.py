"""What every unit shares: event contracts, messaging, runtime, page shell. May never hold a rule about who gets what."""
