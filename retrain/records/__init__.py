"""The nouns of the lifecycle as frozen values, one file a noun or a few that belong together."""
