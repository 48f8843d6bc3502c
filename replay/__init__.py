"""The researcher's room: replays of recordings, their scores and pictures."""
