"""The daemon's decisions measured on streams: quality kept for the training that it cost, against fixed schedules."""
