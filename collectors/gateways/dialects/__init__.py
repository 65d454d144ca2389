"""How meters are spoken to on a serial line: one module a protocol."""
