"""What the ledger set aside: shown, and sent through the path again once its cause is gone."""
