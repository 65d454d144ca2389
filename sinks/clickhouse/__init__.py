"""ledger.postings -> ClickHouse, each row exactly once."""
