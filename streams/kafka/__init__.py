"""The Kafka edge: Faust agents, admin calls and the local broker."""
