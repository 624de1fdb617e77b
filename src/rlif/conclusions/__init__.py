"""From the records of many runs to what they say: the results table, claims, recommendations. No torch."""
