"""English, as it is read on either side of the Atlantic."""
