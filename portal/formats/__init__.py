"""How days and instants are written, where Django's own form of a language may be misread."""
