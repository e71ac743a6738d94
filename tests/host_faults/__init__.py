"""Several hosts on one machine, each with a network of its own, on one real PostgreSQL and one real S3 server."""
