"""Notifications: which events become messages, what these say, and how they reach their destination."""
