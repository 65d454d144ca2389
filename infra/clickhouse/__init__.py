"""ClickHouse for the pipeline: the embedded server over chDB, and the schema's numbered migrations."""
