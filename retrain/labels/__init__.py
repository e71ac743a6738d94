"""Labels that come late, in parts, class by class, or changed: which may be believed. Arrays in, answers out."""
