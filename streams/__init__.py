"""millrace's moving parts: messages, configuration, stages, durable state, the Kafka edge and the command line."""
