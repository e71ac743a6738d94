"""The recommender over event logs, through the replay's own functions, beside popularity, its parts and implicit."""
