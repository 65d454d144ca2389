"""The virtual property group: meters, relays and gateways on real sockets, in virtual time."""
