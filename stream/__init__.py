"""The log that every stage stands on: records, topics, operators and the runner."""
