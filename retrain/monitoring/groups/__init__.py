"""Groups of rows, the values of the columns `gate.slices`, watched over time on what was answered to them."""
