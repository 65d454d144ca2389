"""What a frame says, as one JSON-like object: for people who look at single frames (`sluice decode`)."""
