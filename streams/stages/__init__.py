"""The pure cores of the stages: decoded records in, records and effects out; no broker, clock or environment."""
