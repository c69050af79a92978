"""Durable state: signed checkpoints and what hangs on them."""
