"""Events to warnings: policy, intensity and lead time at places, CAP 1.2."""
