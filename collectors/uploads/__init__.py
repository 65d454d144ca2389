"""Rounds that gateways bring themselves, by HTTP or MQTT: now, or when they were away for days."""
