"""The bus: streams, messages, hops, consumers and leases over Redis."""
