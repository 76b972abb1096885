"""Any JSON API that is read in pages."""
