"""What runs inside of a homeserver, beside the same homeserver without it."""
