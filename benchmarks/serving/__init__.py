"""The server beside other model servers, and what swaps and trainings do to it."""
