"""Both databases behind one face, and their earlier versions."""
