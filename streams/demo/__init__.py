"""The demo: real data through a real Kafka, with changes put in at known points."""
