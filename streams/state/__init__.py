"""Durable state: signed checkpoints, and the structures a stage keeps between them."""
