"""How people write numbers, dates and missing values: found by the shapes of a column's texts. Pure."""
