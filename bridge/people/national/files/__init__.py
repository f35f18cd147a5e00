"""The public files: their lines as records, sorted on disk, and all records of somebody as one entry."""
