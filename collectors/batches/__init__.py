"""Batches: one control order for each of many meters, and what became of each."""
