"""The live page: a bounded view of the topics, drawn as HTML on the server; only `server` knows of sockets and time."""
