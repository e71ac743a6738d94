"""The status page's process: who asks, what he sees, what he may ask of the service."""
