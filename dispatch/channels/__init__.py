"""Ways by which messages leave: each by itself, none waits for another."""
