"""From a dropped file, a label or an answered row to a row in the ledger."""
