"""The service as a whole: application, models' keepers, servers, commands, schedule, reload."""
