"""The simulated product as its users see it: pages made by the server, one for each clinician."""
