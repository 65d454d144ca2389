"""`sluice demo`: the whole pipeline over a virtual property group, to look at or to check."""
