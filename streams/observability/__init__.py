"""What the tools people already have may ask: figures for Prometheus, health for supervisors, webhooks, AsyncAPI."""
