"""The command line: each file holds commands of one kind."""
