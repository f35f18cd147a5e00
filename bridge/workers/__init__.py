"""What several processes of one hub need of one another: ports that they share, and calls that they hand on."""
