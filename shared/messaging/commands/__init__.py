"""`tsunagari messaging …`: what an operator sees of the backbone and may do to it. Every change is audited; names are on no screen."""
