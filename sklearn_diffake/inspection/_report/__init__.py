"""Reports: their sentences, pictures and pages."""
