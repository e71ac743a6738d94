"""Two data files column by column, without daemon and configuration."""
