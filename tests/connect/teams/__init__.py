"""Groups in the API: leaving, rights, a picture."""
