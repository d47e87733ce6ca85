"""Day, month in letters, year; twenty-four hours. Django's own English puts the month first."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y, H:i"
