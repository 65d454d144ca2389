"""Frames as people and programs read them: texts of exact decimals, aligned tables, CSV, JSON, Excel."""
