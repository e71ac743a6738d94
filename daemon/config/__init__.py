"""config.toml as frozen objects."""
