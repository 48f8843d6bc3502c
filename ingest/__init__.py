"""The world to samples: miniSEED, station metadata, archives, data quality."""
