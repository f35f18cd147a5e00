"""Who is who, and how somebody is reached."""
