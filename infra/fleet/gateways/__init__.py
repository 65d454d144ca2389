"""The gateways of the virtual property group: what stands between its meters and the collector."""
