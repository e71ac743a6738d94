"""What driftd decides where labels come late, class by class, in part, or never: streams replayed under schedules."""
