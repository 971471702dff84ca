"""訪問・見守り: who is watched how often, and what each look brought. The memo stays here."""
