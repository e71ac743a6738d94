"""`driftd demo`: the service on an example, a year of flights or a shop that recommends, played into its folder."""
